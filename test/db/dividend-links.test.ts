import { afterEach, beforeEach, expect, test } from 'vitest';
import { chainStatus } from '../../indexer/progress/status.ts';
import { runCommand } from '../kit/command-line.ts';
import { addressOf } from '../kit/event-logs.ts';
import { insertArtist, insertRow } from '../kit/platform-rows.ts';
import { settleStages } from '../kit/settle-stages.ts';
import {
  ALICE,
  BOB,
  CHAIN_ID,
  claim,
  DIVIDEND,
  deposit,
  distribute,
  MASTER,
  mint,
  OTHER_MASTER,
  START,
  StageScene,
  transfer,
} from '../kit/stage-scene.ts';

/**
 * A distribution before any deposit or token, a distribution to one token each of two masters, a claim of too much, and a claim for a
 * token that does not exist.
 */
const LOGS = [
  distribute(4n, { block: 2 }),
  deposit(50n, { block: 3 }),
  mint(MASTER, 1n, { block: 4 }),
  mint(OTHER_MASTER, 2n, { block: 5 }),
  distribute(10n, { block: 6 }),
  claim(1n, { block: 7, amount: 15n }),
  claim(9n, { block: 8, amount: 1n }),
];

let scene: StageScene;

beforeEach(async () => {
  scene = await StageScene.open();
  const { masterId } = await insertArtist(scene.database.pool, 'second');
  await scene.announce('master_contracts', OTHER_MASTER, 1, { master_id: masterId });
  await scene.fill(1, START, LOGS, [MASTER, OTHER_MASTER, DIVIDEND]);
});

afterEach(() => scene.drop());

function run(...args: string[]) {
  return runCommand(['contracts', ...args, '--chain', String(CHAIN_ID)], { DATABASE_URL: scene.database.sessions.url });
}

/** Runs the stages, and returns what Alice may claim and holds. */
async function settled(): Promise<string> {
  await settleStages(scene.database, [CHAIN_ID]);
  const { rows } = await scene.database.pool.query(
    `select format('%s claimable, %s tokens', claimable_amount, tokens_held) as text
     from wallet_dividend_balances where wallet_address = $1`,
    [ALICE],
  );
  expect(rows).toHaveLength(1);
  return rows[0].text;
}

test('a master that is linked by command shares in the past distributions, until it is unlinked', async () => {
  expect(await settled()).toBe('-5 claimable, 1 tokens');
  for (const _ of ['once', 'again'])
    expect(await run('link', DIVIDEND, OTHER_MASTER)).toEqual({
      code: 0,
      out: `dividend ${DIVIDEND} of chain 1 pays the holders of master ${OTHER_MASTER}\n`,
      err: '',
    });
  expect(await settled()).toBe('5 claimable, 2 tokens');
  expect(await run('unlink', DIVIDEND, MASTER)).toMatchObject({ code: 0, err: '' });
  expect(await settled()).toBe('10 claimable, 1 tokens');
  // The platform's row still names the master, but the operator's command takes precedence.
  await scene.database.pool.query('update dividend_contracts set linked_master_contract = linked_master_contract');
  expect(await settled()).toBe('10 claimable, 1 tokens');
  await run('link', DIVIDEND, MASTER);
  await run('unlink', DIVIDEND, OTHER_MASTER);
  expect(await settled()).toBe('-5 claimable, 1 tokens');
});

test('a link needs a registered dividend contract and a registered master', async () => {
  const unknown = addressOf(0xee);
  expect(await run('link', DIVIDEND, unknown)).toMatchObject({
    code: 2,
    err: `indexer: ${unknown} is not a registered master contract of chain 1\n`,
  });
  expect(await run('link', MASTER, MASTER)).toMatchObject({
    code: 2,
    err: `indexer: ${MASTER} is not a registered dividend contract of chain 1\n`,
  });
});

test('the links follow the platform’s rows', async () => {
  const set = (values: string) => scene.database.pool.query(`update dividend_contracts set ${values}`);
  await settled();
  await set("linked_master_contract = null, distribution_model = 'platform'");
  expect(await settled()).toBe('5 claimable, 2 tokens');
  await set(`linked_master_contract = '${OTHER_MASTER}'`);
  expect(await settled()).toBe('10 claimable, 1 tokens');
});

test('links to contracts that cannot be registered keep no other link from being made', async () => {
  const insert = (table: string, chain: string, address: string, values: object) =>
    insertRow(scene.database.pool, table, { chain_id: chain, contract_address: address, ...values });
  const { masterId } = await insertArtist(scene.database.pool, 'third');
  await insert('master_contracts', String(CHAIN_ID), `pending-${masterId}-deploy`, { master_id: masterId });
  await insert('master_contracts', 'solana', 'So1ana', { master_id: scene.masterId });
  await insert('dividend_contracts', 'solana', 'So1anaDividends', {
    master_id: scene.masterId,
    distribution_model: 'platform',
  });
  await scene.database.pool.query(
    "update dividend_contracts set linked_master_contract = null, distribution_model = 'platform' where chain_id = $1",
    [String(CHAIN_ID)],
  );
  const { rows } = await scene.database.pool.query(
    `select chain_id, count(*)::int as links from indexer.dividend_masters
     join dividend_contracts dividend on dividend.id = dividend_contract_id where serves group by chain_id order by chain_id`,
  );
  expect(rows).toEqual([
    { chain_id: '1', links: 3 },
    { chain_id: 'solana', links: 1 },
  ]);
  expect(await settled()).toBe('5 claimable, 2 tokens');
  await scene.database.pool.query("delete from dividend_contracts where chain_id = 'solana'");
});

test('`status` counts what contradicts itself, and the view names it', async () => {
  await settled();
  const { rows } = await scene.database.pool.query(
    `select kind, amount::text, subject from indexer.dividend_anomalies order by kind, amount`,
  );
  expect(rows.map(({ kind, amount }) => `${kind}: ${amount}`)).toEqual([
    'claim for an unknown token: 1',
    'distribution in a currency that was never deposited: 100',
    'distribution to no token: 100',
    'token was paid more than it earned: -5',
    'wallet claimed more than it earned: -5',
  ]);
  expect(rows.at(-1)?.subject).toBe(ALICE);
  expect(rows.at(-2)?.subject).toBe(`${MASTER} 1`);
  const [status] = await chainStatus(scene.database.kysely);
  expect(status?.dividendAnomalies).toBe(4);
  const { out } = await runCommand(['status'], { DATABASE_URL: scene.database.sessions.url });
  expect(out).toContain('  dividends    4 anomalies (view indexer.dividend_anomalies)\n');
});

/** Runs the stages, and returns the rows of `indexer.master_holdings`. */
async function holdings(): Promise<string[]> {
  await settled();
  const { rows } = await scene.database.pool.query(
    `select format('%s of %s: %s', wallet_address, contract_address, tokens) as text from indexer.master_holdings order by 1`,
  );
  return rows.map(({ text }) => text);
}

test('holdings are counted of the masters that a dividend contract serves, from all facts when the link comes', async () => {
  await settled();
  await scene.follow([transfer(MASTER, 1n, [ALICE, BOB], { block: START + 1 })]);
  await settled();
  await scene.follow([transfer(MASTER, 1n, [BOB, ALICE], { block: START + 2 })]);
  const counted = [`${ALICE} of ${MASTER}: 1`, `${BOB} of ${MASTER}: 0`];
  expect(await holdings()).toEqual(counted);
  await scene.database.pool.query(
    'insert into indexer.holdings_due (chain_id, contract_address) select chain_id::bigint, contract_address from master_contracts',
  );
  await scene.follow();
  expect(await holdings()).toEqual(counted);
  await run('link', DIVIDEND, OTHER_MASTER);
  await run('unlink', DIVIDEND, MASTER);
  expect(await holdings()).toEqual([`${ALICE} of ${OTHER_MASTER}: 1`]);
});
