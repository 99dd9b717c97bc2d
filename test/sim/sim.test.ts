import { expect, test } from 'vitest';
import type { Database } from '../../indexer/db/database.ts';
import { digest } from '../../indexer/verify/digest.ts';
import { quarantinesIn } from './check.ts';
import type { Drive } from './drive.ts';
import type { Tally } from './drive-context.ts';
import { drawHistory } from './history.ts';
import { createSimDatabase } from './sim-database.ts';
import { simulate } from './simulate.ts';

const HISTORIES = 500;
const HISTORIES_PER_DATABASE = 50;
/** Histories that run concurrently in one database, each on its own chains. None may disturb another. */
const CONCURRENT_HISTORIES = 3;
const TIMEOUT_MS = 600_000;
/** In a third of the histories each, nodes are honest, lie while every range is read in full, or lie until a later proof. */
const LIES = [undefined, 'inline', 'background'] as const;

const tally: Tally = new Map();

test.each(Array.from({ length: HISTORIES / HISTORIES_PER_DATABASE }, (_, part) => 1 + part * HISTORIES_PER_DATABASE))(
  'every table equals the fold of the chain after forks, crashes, unwinds and lies in any order (seeds from %i)',
  { timeout: TIMEOUT_MS },
  async (firstSeed) => {
    await withSimDatabase(async (database) => {
      const seeds = Array.from({ length: HISTORIES_PER_DATABASE }, (_, place) => firstSeed + place);
      const drives: Drive[] = [];
      const work = async () => {
        for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
          drives.push(await simulate(database, seed, tally, { detours: true, lies: LIES[seed % LIES.length] }));
        }
      };
      await Promise.all(Array.from({ length: CONCURRENT_HISTORIES }, work));
      // Later histories must not have changed earlier ones.
      for (const drive of drives) await drive.check(true, true);
    });
  },
);

test('two databases that saw the same chains by different routes have equal digests and ids', {
  timeout: TIMEOUT_MS,
}, async () => {
  await withSimDatabase(async (eventful) => {
    await withSimDatabase(async (straight) => {
      for (const seed of seedsWithoutQuarantines(10_001, 12)) {
        await simulate(eventful, seed, tally, { detours: false });
        await simulate(straight, seed, tally, { detours: false, straight: true });
      }
      const wanted = await digest(straight);
      expect(Object.values(wanted.tables).filter(({ rows }) => rows === 0)).toEqual([]);
      expect(await digest(eventful)).toEqual(wanted);
      expect(await idsOf(eventful)).toEqual(await idsOf(straight));
    });
  });
});

test('a seed draws the same history every time', () => {
  expect(drawHistory(7)).toEqual(drawHistory(7));
  expect(drawHistory(7)).not.toEqual(drawHistory(8));
});

test('the simulation above has met every hazard that it is meant to test', () => {
  const hazards = [
    'fill: StaleRange',
    'fill: crashed',
    'follow: crashed',
    'follow: HeadMoved',
    'race: lost',
    'unwind: done',
    'unwind: crashed',
    'unwind: below the start',
    'unwind: everything',
    'step: unwind',
    'remove: done',
    'quarantine: set',
    'quarantine: lifted',
    'registry: restore',
    'registry: listing',
    'registry: link',
    'registry: revenue',
    'lie: address',
    'lie: block',
    'lie: stretch',
    'lie: everything',
    'lie: doubles',
    'lie: order',
    'lie: hash',
    'lie: timestamp',
    'prove: done',
    'prove: crashed',
    'wrong: checks',
  ];
  expect(hazards.filter((hazard) => !tally.has(hazard))).toEqual([]);
});

async function withSimDatabase(act: (database: Database) => Promise<void>): Promise<void> {
  const { database, drop } = await createSimDatabase();
  try {
    await act(database);
  } finally {
    await drop();
  }
}

/** Returns seeds without quarantines, because the coverage of a quarantined contract depends on the route. */
function seedsWithoutQuarantines(first: number, count: number): number[] {
  const seeds: number[] = [];
  for (let seed = first; seeds.length < count; seed++) {
    const { world, chains } = drawHistory(seed);
    const blocks = chains.flatMap(({ branches }) => branches.flat());
    if (!blocks.some((block) => world.contracts.some((contract) => quarantinesIn(block, contract)))) seeds.push(seed);
  }
  return seeds;
}

/** Returns a hash of the ids of each table whose ids are derived from natural keys. */
async function idsOf({ pool }: Database): Promise<unknown> {
  const tables = [
    'nft_transfers',
    'token_transfers',
    'pool_events',
    'dividend_events',
    'dividend_claims',
    'indexer.contract_events',
    'indexer.dead_letters',
    'master_nfts',
    'token_holders',
    'pool_positions',
  ];
  const ids = await Promise.all(
    tables.map((table) => pool.query(`select md5(string_agg(id::text, ',' order by id)) as ids from ${table}`)),
  );
  return ids.map(({ rows }, place) => ({ table: tables[place], ids: rows[0]?.ids }));
}
