import type { Database } from '../db/database.ts';
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import { commitHead, commitStart, type HeadCommit } from '../ingest/commit-head.ts';
import { type ContractIndex, contractIndex } from '../ingest/contract-index.ts';
import { type FetchedRange, fetchBatch } from '../ingest/fetch-batch.ts';
import type { BlockHeader, BlockRef, Contract } from '../kernel/chain.ts';
import { HeadMoved, IndexerError, messageOf, RpcInconsistency } from '../kernel/errors.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { blockAt, thinCheckpoints } from '../progress/checkpoints.ts';
import type { ContractKey } from '../progress/coverage.ts';
import type { Source } from '../source/source.ts';
import { decide } from './decide.ts';
import { HeadFeed } from './head-feed.ts';
import { ReorgWatch, type StepOutcome } from './reorg-watch.ts';

export type FollowerOptions = {
  readonly chainId: number;
  /** How many blocks below the head count as not final where the chain serves no `finalized` tag. */
  readonly confirmations: number;
  /** The deepest reorg that is repaired without an operator, in blocks. */
  readonly haltDepth: number;
};

/** The contracts of the registry that can be decoded, as of one look. */
export type FollowedContracts = {
  readonly contracts: readonly Contract[];
  /** Those that the follower does not cover yet. */
  readonly joining: readonly ContractKey[];
  /** Those of which a former indexer left facts. */
  readonly former: readonly Contract[];
  readonly liveVersion: number;
};

export type FollowerDeps = {
  readonly database: Database;
  readonly source: Source;
  readonly log: Logger;
  readonly loadContracts: () => Promise<FollowedContracts>;
  readonly onCommit?: (commit: { readonly head: BlockRef; readonly facts: number }) => void;
  /** A step succeeded, or failed with the error given: what `/ready` tells. */
  readonly onStep?: (failure: Error | undefined) => void;
};

/** What is read behind the range that is being written, and for which contracts. */
type Ahead = { readonly index: ContractIndex; readonly fetched: Promise<FetchedRange> };

/** Commits on their way at a time: one moves the head while the next brings its facts. */
const COMMITS_IN_FLIGHT = 2;

/** Blocks of one commit above finalized: small, so that the head is never far from what a reader sees. */
const STRICT_SPAN_BLOCKS = 32;
/** Blocks of one commit below finalized, and the logs after which it ends earlier. */
const FINAL_SPAN_BLOCKS = 2_000;
const FINAL_SPAN_LOGS = 20_000;
const RETRY_DELAY_MIN_MS = 25;
const RETRY_DELAY_MAX_MS = 10_000;
/** The finalized block is asked for at most so often. */
const FINALIZED_INTERVAL_MS = 2_000;
/** How soon a question that the head left open is put again, also where no other head comes. */
const LOOK_AGAIN_MS = 1_000;
/** How often checkpoints that no reorg reaches are thinned (blocks). */
const THIN_EVERY_BLOCKS = 1_024;

/** Follows one chain's head. One runs per chain and process; of several processes the head's compare-and-set lets one win. */
export class Follower {
  readonly #deps: FollowerDeps;
  readonly #options: FollowerOptions;
  readonly #reorgs: ReorgWatch;
  #index: { readonly index: ContractIndex; readonly followed: FollowedContracts } | undefined;
  #finalized: { readonly block: number; readonly readAt: number } | undefined;
  #thinnedTo = 0;

  constructor(deps: FollowerDeps, options: FollowerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#reorgs = new ReorgWatch(deps, options);
  }

  /** The registry changed: the contracts are read again before the next block. */
  contractsChanged(): void {
    this.#index = undefined;
  }

  /** Follows until the signal aborts. Never throws: what fails is logged and tried again with growing pauses. */
  async run(signal: AbortSignal): Promise<void> {
    const heads = new HeadFeed(this.#deps.source.heads(signal));
    for (let head = await heads.take(); head !== undefined && !signal.aborted; head = await heads.take()) {
      let failures = 0;
      for (let remote: BlockHeader | undefined = head; remote !== undefined && !signal.aborted; ) {
        try {
          if (failures > 0) remote = await this.#deps.source.head(signal); // what failed may have failed because it was old
          const outcome = await this.#step(remote, heads, signal);
          failures = 0;
          this.#deps.onStep?.(undefined);
          if (outcome === 'settled') remote = undefined;
          if (outcome !== 'open') continue;
          await sleep(LOOK_AGAIN_MS, signal);
          if (!signal.aborted) remote = await this.#deps.source.head(signal);
        } catch (error) {
          if (signal.aborted) return;
          this.#index = undefined;
          failures += 1;
          if (error instanceof HeadMoved) await sleep(RETRY_DELAY_MIN_MS, signal);
          else await this.#pause(error, failures, signal);
        }
      }
    }
  }

  /** A reorg makes requests fail for a moment, which is nobody's fault: the first failure is neither shown nor waited for long. */
  async #pause(error: unknown, failures: number, signal: AbortSignal): Promise<void> {
    const level = failures === 1 && error instanceof IndexerError && error.retryable ? 'debug' : 'warn';
    this.#deps.log[level]({ chain: this.#options.chainId, err: error }, `cannot follow: ${messageOf(error)}`);
    if (failures > 1) this.#deps.onStep?.(error instanceof Error ? error : new Error(String(error)));
    await sleep(Math.min(RETRY_DELAY_MAX_MS, RETRY_DELAY_MIN_MS * 2 ** failures) * (0.5 + Math.random() / 2), signal);
  }

  /** Takes one decision about a head and acts on it. */
  async #step(remote: BlockHeader, heads: HeadFeed, signal: AbortSignal): Promise<StepOutcome> {
    const { database, source } = this.#deps;
    const seen = await readChain(database.kysely, this.#options.chainId);
    if (seen.halted !== undefined) return 'open';
    const local = seen.head;
    const above = local !== undefined && remote.number > local.number;
    const child = above && remote.number === local.number + 1 && remote.parentHash === local.hash;
    const decision = decide({
      local,
      remote,
      remoteAtLocal: above && !child ? await source.header(local.number, signal) : undefined,
      localAtRemote: local && !above ? await blockAt(database.kysely, seen.chainId, remote.number) : undefined,
    });
    if (decision.do !== 'suspect reorg') this.#reorgs.forget();
    switch (decision.do) {
      case 'wait':
        return decision.because === 'node has not our block yet' ? 'open' : 'settled';
      case 'start':
        await this.#start(seen, remote, signal);
        return 'again';
      case 'suspect reorg':
        return this.#reorgs.weigh(seen, remote, await this.#finalizedBlock(remote, seen, signal), signal);
      case 'extend':
      case 'catch up':
        return this.#advance(seen, remote, heads, signal);
    }
  }

  /** Begins at the finalized block, so that everything that may still change is followed from the first block on. */
  async #start(seen: ChainState, remote: BlockHeader, signal: AbortSignal): Promise<void> {
    const finalized = Math.min(await this.#finalizedBlock(remote, seen, signal), remote.number);
    const start = await this.#deps.source.header(finalized, signal);
    if (start === undefined)
      throw new RpcInconsistency('the finalized block is not to be had', { context: { block: finalized } });
    await commitStart(this.#deps.database, seen, start, finalized);
    this.#deps.log.info({ chain: seen.chainId, block: start.number }, 'following from the finalized block on');
  }

  /**
   * Extends the head to the newest one, `remote` to begin with, in commits one behind the other. The next range is read while
   * one is written, also where its head is announced only then, and its facts go in while the one before is still on its way:
   * each commit stands on the one before, and fails where that fails.
   */
  async #advance(seen: ChainState, remote: BlockHeader, heads: HeadFeed, signal: AbortSignal): Promise<StepOutcome> {
    const commits = new Commits();
    let state = seen;
    let target = remote;
    let ahead: Ahead | undefined;
    try {
      while (state.head !== undefined && state.head.number < target.number && !signal.aborted) {
        const finalized = await this.#finalizedBlock(target, state, signal);
        const { index, followed } = await this.#contracts(state);
        // What was read for other contracts than those of now would claim blocks for them that nobody asked about.
        const read = ahead?.index === index ? ahead.fetched : undefined;
        const { range, batch } = await (read ?? this.#fetch(index, state.head, target, finalized, signal));
        const tip = range.headers.at(-1) as BlockHeader;
        linkTo(state.head, range.headers[0] as BlockHeader);
        const changes = followed.joining.length > 0 || batch.quarantined.length > 0;
        await commits.atMost(changes ? 0 : COMMITS_IN_FLIGHT - 1);
        const { joining, former } = followed;
        const commit = { seen: state, range, batch, finalized: Math.min(finalized, tip.number), joining, former };
        const written = commits.add(() => this.#commit(commit, tip));
        const head = { number: tip.number, hash: tip.hash };
        state = { ...state, head, liveVersion: state.liveVersion + (changes ? 1 : 0) };
        if (changes) {
          this.#index = undefined;
          await commits.atMost(0);
        }
        const to = tip.number < target.number ? target : await heads.takeBehind(tip, written);
        if (to === undefined) break;
        target = to;
        ahead = changes ? undefined : { index, fetched: this.#fetch(index, head, target, finalized, signal) };
        ahead?.fetched.catch(() => undefined); // awaited in the next turn, or given up with this one
        await this.#thin(state, finalized);
      }
      await commits.atMost(0);
    } finally {
      await commits.settled();
    }
    return state.head?.hash === target.hash ? 'settled' : 'again';
  }

  async #commit(commit: HeadCommit, { number, hash }: BlockHeader): Promise<void> {
    const facts = await commitHead(this.#deps.database, commit);
    const { chainId, from, to } = commit.range;
    this.#deps.onCommit?.({ head: { number, hash }, facts });
    this.#deps.onStep?.(undefined);
    this.#deps.log.debug({ chain: chainId, from, to, facts }, 'committed');
  }

  async #fetch(
    index: ContractIndex,
    head: BlockRef,
    remote: BlockHeader,
    finalized: number,
    signal: AbortSignal,
  ): Promise<FetchedRange> {
    const from = head.number + 1;
    const strict = from > finalized;
    const to = Math.min(
      remote.number,
      strict ? from + STRICT_SPAN_BLOCKS - 1 : Math.min(from + FINAL_SPAN_BLOCKS - 1, finalized),
    );
    return fetchBatch(
      this.#deps.source,
      index,
      { from, to, strict, anchor: head, tip: to === remote.number ? remote : undefined, maxLogs: FINAL_SPAN_LOGS },
      signal,
    );
  }

  async #contracts(
    state: ChainState,
  ): Promise<{ readonly index: ContractIndex; readonly followed: FollowedContracts }> {
    if (this.#index === undefined || this.#index.followed.liveVersion !== state.liveVersion) {
      const followed = await this.#deps.loadContracts();
      if (followed.liveVersion !== state.liveVersion) throw new HeadMoved('the set of followed contracts changed');
      this.#index = { index: contractIndex(followed.contracts), followed };
    }
    return this.#index;
  }

  /** The newest final block: never less than the database knows. */
  async #finalizedBlock(remote: BlockHeader, seen: ChainState, signal: AbortSignal): Promise<number> {
    const now = performance.now();
    if (this.#finalized === undefined || now - this.#finalized.readAt > FINALIZED_INTERVAL_MS) {
      const tagged = await this.#deps.source.finalized(signal);
      const block = Math.max(0, Math.min(tagged ?? remote.number - this.#options.confirmations, remote.number));
      this.#finalized = { block: Math.max(block, this.#finalized?.block ?? 0), readAt: now };
    }
    return Math.max(this.#finalized.block, seen.finalized ?? 0);
  }

  async #thin(state: ChainState, finalized: number): Promise<void> {
    const upTo = Math.min(finalized, state.head?.number ?? 0) - this.#options.haltDepth - 1;
    if (upTo - this.#thinnedTo < THIN_EVERY_BLOCKS) return;
    await thinCheckpoints(this.#deps.database.kysely, state.chainId, this.#thinnedTo, upTo);
    this.#thinnedTo = upTo;
  }
}

/** A range below finalized is read without its parent; it must continue our head all the same. */
function linkTo(head: BlockRef, first: BlockHeader): void {
  if (first.number !== head.number + 1 || first.parentHash !== head.hash) {
    throw new RpcInconsistency('the range does not continue our head', {
      context: { head: head.number, block: first.number },
    });
  }
}

/** Commits on their way, the oldest first. */
class Commits {
  readonly #writing: Promise<void>[] = [];

  /**
   * Begins a commit; what it gives resolves when that has ended, however it ended. Where the one before was held up, so that
   * this one came to the head too early, it is tried again behind it.
   */
  add(write: () => Promise<void>): Promise<unknown> {
    const before = this.#writing.at(-1);
    const commit = write().catch(async (error: unknown) => {
      const early = error instanceof HeadMoved || sqlstateOf(error) === SQLSTATE.lockNotAvailable;
      if (before === undefined || !early) throw error;
      await before;
      await write();
    });
    this.#writing.push(commit);
    return commit.catch(() => undefined);
  }

  /** Waits until no more than so many are left. Throws what the oldest threw. */
  async atMost(count: number): Promise<void> {
    while (this.#writing.length > count) await this.#writing.shift();
  }

  /** Waits for all of them, whatever becomes of them. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#writing.splice(0));
  }
}
