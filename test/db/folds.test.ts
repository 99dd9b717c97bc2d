import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Copy } from '../../indexer/db/copy.ts';
import type { Database } from '../../indexer/db/database.ts';
import { SQLSTATE, sqlstateOf } from '../../indexer/db/sqlstate.ts';
import { runSteps } from '../../indexer/db/step.ts';
import { type Transaction, transaction } from '../../indexer/db/transaction.ts';
import type { Fold } from '../../indexer/facts/fold.ts';
import { applyFacts } from '../../indexer/ingest/apply.ts';
import { commitFill } from '../../indexer/ingest/commit-fill.ts';
import { commitStart } from '../../indexer/ingest/commit-head.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import { factTables, folds } from '../../indexer/protocols/protocols.ts';
import { loadContracts, type RegisteredContract } from '../../indexer/registry/contracts.ts';
import { prepareContracts } from '../../indexer/registry/prepare.ts';
import { MAINTAINED, maintainedBy, sortedRows } from '../kit/maintained-tables.ts';
import type { Tables } from '../kit/oracle/fact-rows.ts';
import { readStored } from '../kit/oracle/stored.ts';
import { BlockTree, expectedTables } from '../sim/check.ts';
import { drawHistory, type History } from '../sim/history.ts';
import { SimNode } from '../sim/node.ts';
import { Platform } from '../sim/platform.ts';
import { type Random, randomOf } from '../sim/random.ts';
import { createSimDatabase, type SimDatabase } from '../sim/sim-database.ts';

/** The number of histories that each test runs every fold over. */
const HISTORIES_PER_FOLD = 2;
/** The minimum number of facts for the fold in each history. */
const FACTS_MIN = 10;

/** The schemas of the views, each with the column that holds the last block that its views show. */
const FINALITIES = { mirror_finalized: 'finalized_number', mirror_safe: 'safe_number' };
/** The compared tables of the schema `indexer`, which have no views. */
const UNVIEWED: readonly string[] = ['contract_events', 'dead_letters'];

let simDatabase: SimDatabase;
let database: Database;
let nextSeed = 1;

beforeAll(async () => {
  simDatabase = await createSimDatabase();
  database = simDatabase.database;
});

afterAll(() => simDatabase.drop());

test('every fold is covered by the tests below', () => {
  expect(folds.map(({ name }) => name).sort()).toEqual(Object.keys(MAINTAINED).sort());
});

describe.each(folds)('$name', (fold) => {
  test('applying or unwinding an empty range changes nothing', async () => {
    await withScene(fold, async (scene) => {
      await scene.write(scene.upTo(scene.top));
      const before = await scene.everything();
      for (const verb of ['apply', 'unwind'] as const) {
        const range = { chainId: scene.chainId, from: scene.top + 1, to: scene.top + 9 };
        await transaction(database, (tx) => runSteps(tx, fold[verb](range)));
        await transaction(database, (tx) => runSteps(tx, fold[verb]({ ...range, contracts: [] })));
      }
      expect(await scene.everything()).toEqual(before);
    });
  });

  test('applying all facts at once produces the expected state', async () => {
    await withScene(fold, async (scene) => {
      await scene.write(scene.upTo(scene.top));
      expect(await scene.maintained(fold)).toEqual(scene.expected(fold, scene.top));
    });
  });

  test('applying pieces in any order produces the expected state', async () => {
    await withScene(fold, async (scene) => {
      for (const piece of scene.pieces()) await scene.write(piece);
      expect(await scene.maintained(fold)).toEqual(scene.expected(fold, scene.top));
    });
  });

  test('applying pieces on several connections at once produces the expected state', async () => {
    await withScene(fold, async (scene) => {
      await Promise.all(scene.pieces().map((piece) => scene.write(piece)));
      expect(await scene.maintained(fold)).toEqual(scene.expected(fold, scene.top));
    });
  });

  test('facts of repeated or overlapping commits are applied once', async () => {
    await withScene(fold, async (scene) => {
      const seen = await scene.follow();
      for (const { from, to } of [...scene.pieces(), { from: 1, to: scene.top }, ...scene.pieces()]) {
        const fetched = scene.node.fetch(scene.contracts, from, to);
        await commitFill(database, { pieces: [{ seen, ...fetched }], contracts: scene.contracts });
      }
      expect(await scene.maintained(fold)).toEqual(scene.expected(fold, scene.top));
    });
  });

  test('unwinding to any block restores every row, whatever the order of application was', async () => {
    await withScene(fold, async (scene) => {
      const asOf: Tables[] = [];
      for (let block = 0; block <= scene.top; block++) {
        await scene.write({ from: block, to: block });
        asOf.push(await scene.everything());
      }
      const cut = scene.random.between(0, scene.top - 1);
      await scene.unwind(cut);
      for (const piece of scene.pieces(cut + 1)) await scene.write(piece);
      for (let block = scene.top; block >= 0; block -= scene.random.between(1, 2)) {
        await scene.unwind(block);
        expect(await scene.everything()).toEqual(asOf[block]);
        expect(await scene.maintained(fold)).toEqual(scene.expected(fold, block));
      }
    });
  });

  test('the views of a finalized block equal the tables when nothing above it was read', async () => {
    await withScene(fold, async (scene) => {
      const cut = scene.random.between(0, scene.top - 1);
      await scene.write(scene.upTo(cut));
      const asOf = new Map([...(await scene.everything())].filter(([table]) => !UNVIEWED.includes(table)));
      for (const piece of scene.pieces(cut + 1)) await scene.write(piece);
      for (const [schema, column] of Object.entries(FINALITIES)) {
        const setFinalized = `insert into indexer.chains (chain_id, ${column}) values ($1, $2)
          on conflict (chain_id) do update set finalized_number = excluded.finalized_number, safe_number = excluded.safe_number`;
        await database.pool.query(setFinalized, [scene.chainId, cut]);
        expect(await scene.viewedIn(schema)).toEqual(asOf);
      }
    });
  });

  test('unwinding everything restores the initial rows, and applying again restores the state', async () => {
    await withScene(fold, async (scene) => {
      const before = await scene.everything();
      for (const piece of scene.pieces()) await scene.write(piece);
      await scene.unwind(-1);
      expect(await scene.everything()).toEqual(before);
      await scene.write(scene.upTo(scene.top));
      expect(await scene.maintained(fold)).toEqual(scene.expected(fold, scene.top));
    });
  });
});

type Piece = { readonly from: number; readonly to: number };

/** The first branch of a history's first chain, written to a database in pieces. */
class Scene {
  readonly history: History;
  readonly random: Random;
  readonly chainId: number;
  readonly node: SimNode;
  readonly platform: Platform;
  readonly top: number;
  contracts: readonly RegisteredContract[] = [];

  constructor(history: History, node: SimNode, random: Random) {
    this.history = history;
    this.random = random;
    this.node = node;
    this.chainId = node.chain.chainId;
    this.top = node.height;
    this.platform = new Platform(database.pool, history.world);
  }

  async open(): Promise<void> {
    await this.platform.open();
    for (const contract of this.history.world.contracts) {
      if (contract.chainId === this.chainId && !this.platform.announced.has(contract)) {
        await this.platform.announce(contract, this.random);
      }
    }
    for (const { id } of this.history.world.masters) await this.platform.openIpo(id);
    await prepareContracts(database, this.chainId);
    this.contracts = (await loadContracts(database.kysely, this.chainId)).contracts;
  }

  upTo(block: number): Piece {
    return { from: 0, to: block };
  }

  /** Splits the blocks from `from` to the top into pieces, in random order. */
  pieces(from = 0): Piece[] {
    const pieces: Piece[] = [];
    for (let next = from; next <= this.top; ) {
      const to = Math.min(this.top, next + this.random.below(3));
      pieces.push({ from: next, to });
      next = to + 1;
    }
    return this.random.shuffled(pieces);
  }

  /** Writes a piece's facts and applies every fold, as a commit does. */
  async write({ from, to }: Piece): Promise<void> {
    if (to < from) return;
    const { batch } = this.node.fetch(this.contracts, from, to);
    const range = { chainId: this.chainId, from, to };
    for (let attempt = 1; ; attempt++) {
      try {
        await transaction(database, (tx: Transaction, copy: Copy) => applyFacts(tx, copy, range, batch, []));
        return;
      } catch (error) {
        // Two connections created the same row of state at once. Commits retry in the same way.
        if (sqlstateOf(error) !== SQLSTATE.uniqueViolation || attempt === 5) throw error;
      }
    }
  }

  /** Unwinds every fold and deletes the facts, as an unwind does. */
  async unwind(to: number): Promise<void> {
    const range = { chainId: this.chainId, from: to + 1, to: this.top };
    await transaction(database, async (tx) => {
      await sql`set constraints all deferred`.execute(tx);
      for (const fold of folds.toReversed()) await runSteps(tx, fold.unwind(range));
      for (const { schema, name } of factTables) {
        await sql`
          delete from ${sql.table(`${schema}.${name}`)}
          where chain_id::text = ${String(this.chainId)} and block_number >= ${range.from}
        `.execute(tx);
      }
    });
  }

  /** Makes the branch's tip the chain's head, before any history is read. */
  async follow() {
    const seen = await readChain(database.kysely, this.chainId);
    await commitStart(database, seen, this.node.header(this.top), this.top);
    return readChain(database.kysely, this.chainId);
  }

  async everything(): Promise<Tables> {
    return sortedRows((await readStored(database.pool, [this.chainId])).tables);
  }

  /** Returns the same rows as `everything`, but reads the views of a schema. */
  async viewedIn(schema: string): Promise<Tables> {
    const pool = new pg.Pool({ connectionString: `${simDatabase.url}%20-c%20search_path%3D${schema}%2Cpublic` });
    try {
      const { tables } = await readStored(pool, [this.chainId]);
      return sortedRows(new Map([...tables].filter(([table]) => !UNVIEWED.includes(table))));
    } finally {
      await pool.end();
    }
  }

  async maintained(fold: Fold): Promise<unknown> {
    return maintainedBy(fold, (await readStored(database.pool, [this.chainId])).tables);
  }

  expected(fold: Fold, top: number): unknown {
    const header = this.node.branch[top]?.header;
    const heads = new Map(
      header === undefined ? [] : [[this.chainId, { headNumber: top, headHash: header.hash, epoch: 0 }]],
    );
    const contracts = this.contracts.map((contract) => ({ ...contract, status: 'active', covers: () => true }));
    const world = { ...this.history.world, chainIds: [this.chainId] };
    const stored = { heads, contracts, tables: new Map() };
    return maintainedBy(fold, expectedTables(world, new BlockTree(this.history), this.platform, stored));
  }
}

/** Runs `act` on several histories, each with enough facts for the fold and no quarantined contract. */
async function withScene(fold: Fold, act: (scene: Scene) => Promise<void>): Promise<void> {
  for (let used = 0; used < HISTORIES_PER_FOLD; ) {
    const seed = nextSeed++;
    const history = drawHistory(seed);
    const [chain] = history.chains;
    if (chain === undefined) throw new TypeError('a history has a chain');
    const node = new SimNode(chain, randomOf(seed));
    node.skipToEnd();
    const contracts = history.world.contracts.map((contract) => ({ ...contract, abiVersion: '1.0' }));
    const { batch } = node.fetch(
      contracts.filter(({ chainId }) => chainId === chain.chainId),
      0,
      node.height,
    );
    if (
      batch.quarantined.length > 0 ||
      (batch.tables.find(({ table }) => table === fold.reads.table)?.ends.length ?? 0) < FACTS_MIN
    )
      continue;
    used++;
    const scene = new Scene(history, node, randomOf(seed));
    await scene.open();
    await act(scene);
  }
}
