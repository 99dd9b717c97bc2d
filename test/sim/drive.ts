import assert from 'node:assert/strict';
import type { Database } from '../../indexer/db/database.ts';
import { commitFill, type FillCommit } from '../../indexer/ingest/commit-fill.ts';
import { unwindTo } from '../../indexer/ingest/unwind-to.ts';
import { HeadMoved, RpcError, StaleRange } from '../../indexer/kernel/errors.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import { Stride } from '../../indexer/stages/advance-stages.ts';
import { areStagesAtHead, settleStages } from '../kit/settle-stages.ts';
import { BlockTree, checkDatabase } from './check.ts';
import { CrashingDatabase, drawCrash } from './crash.ts';
import type { DriveContext, DriveOptions, Lane, Tally } from './drive-context.ts';
import { finish } from './finish.ts';
import type { History } from './history.ts';
import { SimNode } from './node.ts';
import { Platform } from './platform.ts';
import { type Random, randomOf } from './random.ts';
import { changeRegistry } from './registry-changes.ts';
import { drawFill, proveOnce, SimFollower } from './roles.ts';
import { keyOf } from './world.ts';

const ACTIONS_MIN = 8;
const ACTIONS_MAX = 18;

/** Runs the program's own code over a history in an order drawn from its seed, and checks the database meanwhile and at the end. */
export class Drive implements DriveContext {
  readonly database: Database;
  readonly history: History;
  readonly random: Random;
  readonly options: DriveOptions;
  readonly platform: Platform;
  readonly tree: BlockTree;
  readonly lanes: readonly Lane[];
  readonly tally: Tally;
  iposSettled = true;
  #quarantined: ReadonlySet<string> = new Set();
  /** How many checks in a row saw wrong rows. */
  #wrongChecks = 0;

  constructor(database: Database, history: History, tally: Tally, options: DriveOptions) {
    this.database = database;
    this.history = history;
    this.random = randomOf(history.seed ^ 0x5eed);
    this.options = options;
    this.tally = tally;
    this.platform = new Platform(database.pool, history.world);
    this.tree = new BlockTree(history);
    this.lanes = history.chains.map((chain) => {
      const node = new SimNode(chain, this.random.fork());
      if (options.lies !== undefined) {
        const inFull = options.lies === 'inline' ? 'blooms' : undefined;
        node.lie(randomOf(history.seed ^ 0x11e5), inFull, (lie) => this.count(lie));
      }
      const followers = [new SimFollower(node, this.tree), new SimFollower(node, this.tree)];
      return { chainId: chain.chainId, node, followers, startedAt: Number.POSITIVE_INFINITY };
    });
  }

  /** Runs the whole history. */
  async run(): Promise<void> {
    await this.platform.open();
    if (this.options.straight === true) {
      for (const { node } of this.lanes) node.skipToEnd();
      return finish(this);
    }
    for (const contract of this.history.world.contracts) {
      if (this.random.percent(70) && !this.platform.announced.has(contract)) {
        await this.platform.announce(contract, this.random);
      }
    }
    for (let actions = this.random.between(ACTIONS_MIN, ACTIONS_MAX); actions > 0; actions--) {
      await this.#act(this.random.pick(this.lanes));
    }
    await finish(this);
  }

  async check(linksSettled = false, proved = this.options.lies !== 'background'): Promise<void> {
    const onWrongRows = proved ? undefined : (rows: number) => this.#sawWrongRows(rows);
    const settled = { links: linksSettled, ipos: this.iposSettled, onWrongRows };
    const { contracts } = await checkDatabase(
      this.database.pool,
      this.history.world,
      this.tree,
      this.platform,
      settled,
    );
    const inStatus = (status: string) => contracts.filter((contract) => contract.status === status).map(keyOf);
    const quarantined = new Set(inStatus('quarantined'));
    for (const key of quarantined) if (!this.#quarantined.has(key)) this.count('quarantine: set');
    for (const key of inStatus('active')) if (this.#quarantined.has(key)) this.count('quarantine: lifted');
    this.#quarantined = quarantined;
  }

  /** Counts the checks that found wrong rows, the wrong rows, and the number of checks until the rows were right again. */
  #sawWrongRows(rows: number): void {
    if (rows > 0) {
      this.#wrongChecks += 1;
      this.count('wrong: checks');
      this.tally.set('wrong: rows', (this.tally.get('wrong: rows') ?? 0) + rows);
    } else if (this.#wrongChecks > 0) {
      this.count(`wrong: for ${this.#wrongChecks > 4 ? '5 or more' : this.#wrongChecks} checks`);
      this.#wrongChecks = 0;
    }
  }

  stride(): Stride {
    return new Stride(() => performance.now(), this.random.between(1, 6));
  }

  count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }

  async #act(lane: Lane): Promise<void> {
    const { random } = this;
    const action = random.weighted([
      [this.options.lies === 'background' ? 6 : 0, 'prove'],
      [8, 'follow'],
      [4, 'grow'],
      [6, 'fill'],
      [6, 'concurrent'],
      [3, 'race'],
      [3, 'reorg'],
      [3, 'unwind'],
      [5, 'late fill'],
      [4, 'registry'],
      [4, 'settle'],
    ] as const);
    switch (action) {
      case 'prove':
        await this.attempt('prove', (database) => proveOnce(database, lane.node));
        break;
      case 'grow':
        return lane.node.grow(random.between(1, 4));
      case 'follow':
        if (random.percent(70)) lane.node.grow(random.between(1, 5));
        await this.#follow(lane, random.below(2), random.between(1, 6));
        break;
      case 'fill':
        await this.#fill(lane);
        break;
      case 'concurrent':
        return this.#concurrently(lane);
      case 'race':
        return this.#race(lane);
      case 'reorg':
        if (!lane.node.reorg()) break;
        // Sometimes history is read from the new branch before the follower has seen it.
        if (random.percent(50)) await this.#follow(lane, 0, 4);
        else await this.#fill(lane);
        break;
      case 'unwind':
        await this.#unwind(lane);
        break;
      case 'late fill':
        return this.#lateFill(lane);
      case 'registry':
        await changeRegistry(this, lane);
        break;
      case 'settle':
        await settleStages(this.database, this.history.world.chainIds, this.stride());
        this.iposSettled = true;
        return this.check(await areStagesAtHead(this.database.pool, this.history.world.chainIds));
    }
    if (random.percent(40)) await this.check();
  }

  /** Performs one step of a follower. */
  async #follow(lane: Lane, which: number, blocks: number): Promise<void> {
    const follower = lane.followers[which] as SimFollower;
    if (this.random.percent(20)) follower.forget();
    await this.attempt('follow', async (database) => {
      const step = await follower.look(this.database, blocks);
      await follower.act(database, step);
      this.count(`step: ${step.do}`);
      if (step.do === 'start') lane.startedAt = Math.min(lane.startedAt, lane.node.finalized);
    });
  }

  /** Fills a range of history, sometimes twice. */
  async #fill(lane: Lane): Promise<void> {
    const fill = await drawFill(this.database, lane.node, this.tree, this.random);
    if (fill === null) return;
    await this.#commitFill(fill);
    if (this.random.percent(25)) await this.#commitFill(fill);
  }

  async #commitFill(fill: FillCommit): Promise<void> {
    await this.attempt('fill', (database) => commitFill(database, fill));
  }

  /** Commits fills that were fetched before the chain was unwound or reorganised, or the registry changed. */
  async #lateFill(lane: Lane): Promise<void> {
    const fills = [];
    for (let count = this.random.between(1, 3); count > 0; count--) {
      const fill = await drawFill(this.database, lane.node, this.tree, this.random);
      if (fill !== null) fills.push(fill);
    }
    const meanwhile = this.random.weighted([
      [4, 'reorg'],
      [4, 'unwind'],
      [2, 'registry'],
    ] as const);
    if (meanwhile === 'reorg') lane.node.reorg();
    else if (meanwhile === 'unwind') await this.#unwind(lane);
    else for (let changes = 3; changes > 0; changes--) await changeRegistry(this, lane);
    // Usually follows so far that another branch replaces the fetched blocks.
    for (let steps = this.random.percent(30) ? 0 : 3; steps > 0; steps--) {
      lane.node.grow(2);
      await this.#follow(lane, 0, 12);
    }
    await Promise.all(fills.map((fill) => this.#commitFill(fill)));
    await this.check();
  }

  /** Runs two followers that both believe they lead. At most one may move the head. */
  async #race(lane: Lane): Promise<void> {
    lane.node.grow(this.random.between(1, 4));
    const looks = [];
    for (const follower of lane.followers) {
      const step = await follower.look(this.database, this.random.between(1, 5)).catch(rethrowUnlessRefusal);
      if (step !== undefined) looks.push({ follower, step });
    }
    const before = await readChain(this.database.kysely, lane.chainId);
    const results = await Promise.all(
      looks.map(({ follower, step }) => this.attempt('race', (database) => follower.act(database, step))),
    );
    const commits = looks.filter(({ step }) => step.do === 'commit').length;
    const won = looks.filter(({ step }, index) => step.do === 'commit' && results[index] === 'done').length;
    assert(won <= 1, `${won} of two followers that saw the same head ${before.head?.number} moved it`);
    if (commits === 2 && results.includes('refused')) this.count('race: lost');
    await this.check();
  }

  /** Unwinds blocks as an operator would. */
  async #unwind(lane: Lane): Promise<void> {
    const { chainId } = lane;
    const { head } = await readChain(this.database.kysely, chainId);
    if (head === undefined) return;
    const number = this.random.percent(70)
      ? Math.max(0, head.number - this.random.between(0, 3))
      : this.random.between(0, head.number);
    // Sometimes unwinds all blocks, so that the chain starts again without any.
    const block = this.tree.branchTo(head.hash)[number];
    assert(block !== undefined);
    const to = this.random.percent(5) ? undefined : { number, hash: block.header.hash };
    if (to === undefined) this.count('unwind: everything');
    else if (number < lane.startedAt) this.count('unwind: below the start');
    await this.attempt('unwind', (database) => unwindTo(database, { chainId, to, reason: 'command' }));
  }

  /** Runs several actions concurrently on separate connections, with readers among them. */
  async #concurrently(lane: Lane): Promise<void> {
    const { random } = this;
    lane.node.grow(random.between(0, 4));
    const works: (() => Promise<unknown>)[] = [];
    for (let count = random.between(2, 5); count > 0; count--) {
      const work = random.weighted([
        [6, 'fill'],
        [3, 'follow'],
        [1, 'unwind'],
        [2, 'settle'],
        [2, 'read'],
      ] as const);
      const fork = random.fork();
      const which = works.length % 2;
      if (work === 'fill') {
        const fill = await drawFill(this.database, lane.node, this.tree, fork);
        if (fill !== null) works.push(() => this.#commitFill(fill));
      } else if (work === 'follow') works.push(() => this.#follow(lane, which, fork.between(1, 5)));
      else if (work === 'unwind') works.push(() => this.#unwind(lane));
      else if (work === 'settle')
        works.push(() => settleStages(this.database, this.history.world.chainIds, this.stride()));
      else works.push(() => this.check());
    }
    await Promise.all(works.map((work) => work()));
    await this.check();
  }

  async attempt(what: string, act: (database: Database) => Promise<unknown>): Promise<'done' | 'refused' | 'crashed'> {
    const crashing = this.random.percent(25) ? new CrashingDatabase(this.database, drawCrash(this.random)) : undefined;
    try {
      await act(crashing ?? this.database);
      this.count(`${what}: done`);
      return 'done';
    } catch (error) {
      const hasCrashed = crashing?.hasCrashed === true;
      if (!hasCrashed) rethrowUnlessRefusal(error);
      this.count(`${what}: ${hasCrashed ? 'crashed' : (error as Error).name}`);
      return hasCrashed ? 'crashed' : 'refused';
    }
  }
}

/** Rethrows an error, unless the program is meant to throw it or it means that a node lags behind the database. */
function rethrowUnlessRefusal(error: unknown): void {
  if (error instanceof HeadMoved || error instanceof StaleRange) return;
  if (!(error instanceof RpcError && error.kind === 'unknown-block')) throw error;
}
