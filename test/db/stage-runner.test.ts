import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { unwindTo } from '../../indexer/ingest/unwind-to.ts';
import { chainStatus } from '../../indexer/progress/status.ts';
import { removeContract } from '../../indexer/registry/remove.ts';
import { advanceOnce, advanceStages, Stride } from '../../indexer/stages/advance-stages.ts';
import type { Stage } from '../../indexer/stages/stage.ts';
import { StageRunner } from '../../indexer/stages/stage-runner.ts';
import {
  blockOf,
  CHAIN_ID,
  claim,
  DIVIDEND,
  MASTER,
  mint,
  OTHER_MASTER,
  START,
  StageScene,
  testedStages,
  transferCounts,
} from '../kit/stage-scene.ts';
import { HANG_TIMEOUT_MS, until } from '../kit/until.ts';

const LOGS = [
  mint(MASTER, 1n, { block: 2 }),
  claim(1n, { block: 3 }),
  mint(MASTER, 2n, { block: 9 }),
  claim(2n, { block: 9 }),
  mint(MASTER, 3n, { block: 21 }),
  claim(3n, { block: 22 }),
];

let scene: StageScene;

beforeEach(async () => {
  scene = await StageScene.open();
});

afterEach(() => scene.drop());

const settle = (stages: readonly Stage[] = testedStages, strideBlocks?: number) =>
  advanceStages(scene.database, { chainId: CHAIN_ID, stages }, new Stride(() => performance.now(), strideBlocks));

/** Returns what `scene.asOf` returns if every stage has reached a block. */
const allAt = (block: number) => Object.fromEntries(testedStages.map(({ name }) => [name, block]));

/** Returns the rows that stages have written, of whatever kind. */
const stageRows = async () => Object.values(await scene.state()).flat();

/** Creates a stage that records its calls and fails with a database error while `faulty` says so. */
function faultyStage(name: string) {
  const calls: string[] = [];
  const faulty = { advance: false, unwind: false };
  const act = async (verb: 'advance' | 'unwind', to: number, tx: Parameters<Stage['unwind']>[0]) => {
    calls.push(`${verb} ${to}`);
    if (faulty[verb]) await sql`select 1 / 0`.execute(tx);
  };
  const stage: Stage = {
    name,
    advance: async (tx, { to }) => {
      await act('advance', to.number, tx);
      return 0;
    },
    unwind: (tx, _, to) => act('unwind', to, tx),
  };
  return { stage, calls, faulty };
}

test('stages stop before the first gap of a contract and continue once it is filled', async () => {
  await scene.fill(1, 8, LOGS);
  await scene.fill(12, START, LOGS);
  await settle();
  expect(await scene.asOf()).toEqual(allAt(8));
  await scene.fill(9, 11, LOGS);
  await settle();
  expect(await scene.asOf()).toEqual(allAt(START));
  expect(await scene.state()).toMatchObject({
    links: [`3/1: 1 of ${MASTER}`, `9/1: 2 of ${MASTER}`],
    counts: ['2: 1', '9: 1'],
  });
});

test('unwinding removes the state that many small strides built', async () => {
  await scene.fill(1, START, LOGS);
  await settle(testedStages, 2);
  const small = await scene.state();
  await unwindTo(scene.database, { chainId: CHAIN_ID, to: blockOf(1), reason: 'command', stages: testedStages });
  expect(await stageRows()).toEqual([]);
  expect(small.links).toHaveLength(2);
});

test('a stage never advances beyond the stage before it', async () => {
  await scene.fill(1, START, LOGS);
  const { stage, calls, faulty } = faultyStage('faulty');
  await settle([stage, transferCounts], 2);
  expect(await scene.asOf()).toEqual({ faulty: START, 'transfer-counts': START });
  expect(calls[0]).toBe('advance 2');
  faulty.advance = true;
  await scene.follow(LOGS);
  expect(await settle([stage, transferCounts])).toHaveLength(1);
  expect(await scene.asOf()).toEqual({ faulty: START, 'transfer-counts': START });
});

test('a failing stage stops with a reason, while the head and earlier stages advance, and recovers later', async () => {
  await scene.fill(1, START, LOGS);
  const { stage, faulty } = faultyStage('faulty');
  const stages = [transferCounts, stage];
  await settle(stages);
  faulty.advance = true;
  await scene.follow(LOGS);
  expect(await settle(stages)).toMatchObject([{ name: 'faulty' }]);
  await scene.follow(LOGS);
  await settle(stages);
  const [status] = await chainStatus(scene.database.kysely);
  expect(status?.head?.number).toBe(START + 2);
  expect(status?.stages).toEqual([
    { name: 'faulty', asOf: START, failedReason: 'division by zero' },
    { name: 'transfer-counts', asOf: START + 2, failedReason: null },
  ]);
  faulty.advance = false;
  expect(await settle(stages)).toEqual([]);
  expect((await chainStatus(scene.database.kysely))[0]?.stages[0]).toEqual({
    ...{ name: 'faulty', asOf: START + 2, failedReason: null },
  });
});

test('an unwind takes back the stages in reverse order, before it deletes facts', async () => {
  await scene.fill(1, START, LOGS);
  await scene.follow(LOGS);
  const calls: string[] = [];
  const recordingStage = (name: string): Stage => ({
    name,
    advance: async () => 0,
    unwind: async (tx, _, to) => {
      const { rows } = await sql<{
        one: number;
      }>`select 1 as one from nft_transfers where block_number > ${to}`.execute(tx);
      calls.push(`${name} to ${to}, ${rows.length} facts above`);
    },
  });
  const stages = [recordingStage('one'), ...testedStages, recordingStage('two')];
  await settle(stages);
  await unwindTo(scene.database, { chainId: CHAIN_ID, to: blockOf(START), reason: 'reorg', stages });
  expect(calls).toEqual([`two to ${START}, 1 facts above`, `one to ${START}, 1 facts above`]);
  expect(await scene.asOf()).toEqual({ ...allAt(START), one: START, two: START });
  await unwindTo(scene.database, { chainId: CHAIN_ID, to: undefined, reason: 'command', stages });
  expect(await scene.asOf()).toEqual({});
  expect(await stageRows()).toEqual([]);
});

test('a stage that fails to unwind does not stop the unwind, and is unwound before it advances again', async () => {
  await scene.fill(1, START, LOGS);
  const { stage, calls, faulty } = faultyStage('faulty');
  await settle([stage]);
  faulty.unwind = true;
  await unwindTo(scene.database, { chainId: CHAIN_ID, to: blockOf(9), reason: 'reorg', stages: [stage] });
  const status = async () => (await chainStatus(scene.database.kysely))[0];
  expect((await status())?.head?.number).toBe(9);
  expect((await status())?.stages).toEqual([{ name: 'faulty', asOf: 9, failedReason: 'division by zero' }]);
  expect(await settle([stage])).toHaveLength(1);
  faulty.unwind = false;
  calls.length = 0;
  await scene.follow();
  expect(await settle([stage])).toEqual([]);
  expect(calls).toEqual(['unwind 9', 'advance 10']);
});

test('an unwind records stages that only another program version knows, which unwinds them later', async () => {
  await scene.fill(1, START, LOGS);
  const { stage, calls } = faultyStage('of another version');
  await settle([stage]);
  await unwindTo(scene.database, { chainId: CHAIN_ID, to: blockOf(9), reason: 'reorg', stages: testedStages });
  expect(await scene.asOf()).toEqual({ 'of another version': 9 });
  calls.length = 0;
  await scene.follow();
  await settle([stage]);
  expect(calls).toEqual(['unwind 9', 'advance 10']);
});

test('stages are taken back when a contract with older history joins, even if its history was filled before they ran', async () => {
  await scene.fill(1, START, LOGS);
  await settle();
  const calls: string[] = [];
  const watched = testedStages.map((stage) => ({
    ...stage,
    unwind: async (...[tx, chainId, to]: Parameters<Stage['unwind']>) => {
      calls.push(`${stage.name} to ${to}`);
      await stage.unwind(tx, chainId, to);
    },
  }));
  const { rows } = await scene.database.pool.query(
    `with other as (insert into masters (artist_id, title) select artist_id, 'other' from masters returning id) select id from other`,
  );
  await scene.announce('master_contracts', OTHER_MASTER, 5, { master_id: rows[0].id });
  await scene.follow(LOGS);
  await settle(watched);
  expect(await scene.asOf()).toEqual(allAt(3));
  expect(calls).toEqual(testedStages.toReversed().map(({ name }) => `${name} to 3`));
  await scene.fill(5, START, [mint(OTHER_MASTER, 1n, { block: 6 })], [OTHER_MASTER]);
  await settle(watched);
  expect((await scene.state()).counts).toEqual(['2: 1', '6: 1', '9: 1', '21: 1']);
  // A contract whose deployment block is unknown does not hold up stages. When its history is filled, the stages still go back.
  await scene.database.pool.query(
    "update indexer.contracts set deployed_at_block = null, covered = '{}' where address = $1",
    [OTHER_MASTER],
  );
  await scene.database.pool.query('delete from nft_transfers where contract_address = $1', [OTHER_MASTER]);
  await scene.database.pool.query('delete from master_nfts where contract_address = $1', [OTHER_MASTER]);
  calls.length = 0;
  await scene.fill(5, 7, [mint(OTHER_MASTER, 1n, { block: 6 }), mint(OTHER_MASTER, 2n, { block: 7 })], [OTHER_MASTER]);
  await settle(watched);
  expect(calls).toEqual(testedStages.toReversed().map(({ name }) => `${name} to 3`));
  expect((await scene.state()).counts).toEqual(['2: 1', '6: 1', '7: 1', '9: 1', '21: 1']);
});

test('links follow the platform when it changes which master a contract serves', async () => {
  await scene.fill(1, START, LOGS);
  await settle();
  const links = (await scene.state()).links;
  expect(links).toHaveLength(2);
  await scene.database.pool.query('update dividend_contracts set linked_master_contract = $1', [OTHER_MASTER]);
  await settle();
  expect((await scene.state()).links).toEqual([]);
  await scene.database.pool.query('update dividend_contracts set linked_master_contract = $1', [MASTER]);
  await settle();
  expect((await scene.state()).links).toEqual(links);
});

test('a purged contract leaves no stage state behind', async () => {
  await scene.fill(1, START, LOGS);
  await settle();
  await removeContract(scene.database, { chainId: CHAIN_ID, address: MASTER, purge: true });
  await settle();
  const { balances, ...left } = await scene.state();
  expect(Object.values(left).flat()).toEqual([]);
  // The claims remain, since the dividend contract was not purged.
  expect(balances).toHaveLength(1);
  expect(await scene.asOf()).toEqual(allAt(START));
  await removeContract(scene.database, { chainId: CHAIN_ID, address: DIVIDEND, purge: true });
  expect(await settle()).toEqual([]);
});

test('when two processes run stages at once, one advances them and the other does nothing', async () => {
  await scene.fill(1, START, LOGS);
  let advances = 0;
  const slow: Stage = {
    name: 'slow',
    advance: async (tx) => {
      advances += 1;
      await sql`select pg_sleep(0.3)`.execute(tx);
      return 0;
    },
    unwind: async () => undefined,
  };
  const work = { chainId: CHAIN_ID, stages: [slow], paused: new Set<string>(), strideBlocks: 100 };
  const rounds = await Promise.all([advanceOnce(scene.database, work), advanceOnce(scene.database, work)]);
  expect(rounds.map(({ busy }) => busy).sort()).toEqual([false, true]);
  expect(advances).toBe(1);
});

test('the runner advances stages when a commit wakes it, and retries a failed stage', async () => {
  await scene.fill(1, START, LOGS);
  const { stage, faulty } = faultyStage('faulty');
  const stages = [...testedStages, stage];
  const lines: { readonly msg: string; readonly stage?: string }[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const ended = new AbortController();
  const runner = new StageRunner({
    database: scene.database,
    chainId: CHAIN_ID,
    log,
    stages,
    runtime: { now: () => performance.now(), random: () => 0 },
    // No tick comes during the test, so only wakes advance the stages.
    tickMs: 2 * HANG_TIMEOUT_MS,
  });
  const running = runner.run(ended.signal);
  const at = (name: string, block: number) =>
    until(`${name} at ${block}`, async () => (await scene.asOf())[name] === block);
  try {
    await at('faulty', START);
    faulty.advance = true;
    for (let count = 0; count < 3; count++) {
      const block = await scene.follow(LOGS);
      runner.wake();
      await at('claim-links', block);
    }
    expect((await scene.asOf()).faulty).toBe(START);
    faulty.advance = false;
    await at('faulty', START + 3);
    const failure = 'stage failed: its derived tables are not up to date faulty';
    expect(new Set(lines.map(({ msg, stage: name }) => `${msg} ${name}`))).toEqual(new Set([failure]));
  } finally {
    ended.abort();
    await running;
  }
});
