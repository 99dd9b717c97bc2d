import pg from 'pg';
import { formatEther } from 'viem';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommandLine } from '../../demo/command-line.ts';
import { deployEpochDividends, epochDividendActions, registerEpochDividends } from '../../demo/epoch-dividends.ts';
import { summaryLines } from '../../demo/show.ts';
import { summarise } from '../../demo/summary.ts';
import { useAnvil } from '../kit/anvil.ts';
import { Daemon } from '../kit/daemon.ts';
import { type Deployed, deployPlatform, type Platform, subjectsOf } from '../kit/deploy.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { registerPlatform } from '../kit/register-platform.ts';
import { createTraffic } from '../kit/traffic.ts';
import { ACTIONS } from '../kit/traffic-actions.ts';

const anvil = useAnvil();
let platform: Platform;
let epochDividends: Deployed;
let database: TestDatabase;
let db: pg.Pool;

beforeAll(async () => {
  platform = await deployPlatform(anvil());
  epochDividends = await deployEpochDividends(anvil(), platform);
  database = await createDatabase();
  db = new pg.Pool({ connectionString: database.url });
});
afterAll(async () => {
  await db?.end();
  await database?.drop();
});

/** Returns the amounts that each wallet earned at the distributions, was paid and may claim, in the native coin. */
async function epochBalances(): Promise<Record<string, string>> {
  const { rows } = await db.query(
    `select wallet_address, total_earned, total_claimed, claimable_amount from wallet_dividend_balances
     where dividend_contract_id = (select id from dividend_contracts where contract_address = $1)`,
    [epochDividends.address],
  );
  const coins = (amount: string): string => formatEther(BigInt(amount));
  return Object.fromEntries(
    rows.map((row) => [
      row.wallet_address,
      `${coins(row.total_earned)} − ${coins(row.total_claimed)} = ${coins(row.claimable_amount)}`,
    ]),
  );
}

test('the summary covers both rules of dividends, and lists tampered rows and a database that is behind the chain', async () => {
  await registerPlatform(db, platform);
  await registerEpochDividends(db, database.url, platform, epochDividends);
  const daemon = await Daemon.start({
    DATABASE_URL: database.url,
    [`RPC_URL_${anvil().chainId}`]: anvil().wsUrl,
  });
  const epochSubject = { kind: 'dividend', address: epochDividends.address } as const;
  const scene = { db, anvil: anvil(), subjects: [...subjectsOf(platform), epochSubject] };
  expect(await summarise(scene)).toMatchObject({ equal: true, differences: [] });
  // The seller earned 2 ETH with two tokens and 0.5 ETH after it sold one, and claimed both amounts. The buyer earned 0.5 ETH.
  const [seller, buyer] = platform.actors;
  expect(await epochBalances()).toEqual({ [seller]: '2.5 − 2.5 = 0', [`${buyer}`]: '0.5 − 0 = 0.5' });
  const actions = [...ACTIONS, ...epochDividendActions(epochDividends)];
  await (await createTraffic(anvil(), platform, 3, actions)).run(40);
  expect(await summarise(scene)).toMatchObject({ equal: true, differences: [] });
  await daemon.stop();

  await db.query('update token_holders set balance = balance + 1 where wallet_address = $1', [platform.owner]);
  await db.query(
    `update wallet_dividend_balances set claimable_amount = claimable_amount + 1
     where wallet_address = $1 and dividend_contract_id = (select id from dividend_contracts where contract_address = $2)`,
    [seller, epochDividends.address],
  );
  await db.query(
    "delete from nft_transfers where id = (select id from nft_transfers where transfer_type = 'mint' limit 1)",
  );
  const tampered = await summarise(scene);
  expect(tampered.equal).toBe(false);
  expect(tampered.differences).toEqual([
    expect.stringMatching(/^nft_transfers: \S+ is missing$/),
    expect.stringMatching(new RegExp(`^token_holders: ${platform.artistToken.address}:${platform.owner}: balance is `)),
    expect.stringMatching(
      new RegExp(`^wallet_dividend_balances: ${epochDividends.address}:${seller}:0x0+: claimable_amount is `),
    ),
  ]);
  expect(tampered.tables.filter(({ differences }) => differences > 0).map(({ table }) => table)).toEqual([
    'nft_transfers',
    'token_holders',
    'wallet_dividend_balances',
  ]);
  expect(summaryLines(tampered).join('\n')).toContain('DIFFERS from the chain');

  await anvil().mine(3);
  const late = await summarise(scene, undefined, 200);
  expect(late.equal).toBe(false);
  expect(late.differences[0]).toMatch(/^not caught up after 200 ms: it is at block \d+, the chain at \d+$/);
});

test('a demo that found a difference exits with 1', async () => {
  const printed: string[] = [];
  const stderr = { write: (text: string) => printed.push(text) };
  const run = async ({ seconds }: { readonly seconds: number | undefined }) => seconds !== 1;
  expect(await runCommandLine(['--seconds', '1'], { stderr, run })).toBe(1);
  expect(printed.join('')).toContain('the database differs from the chain');
  expect(await runCommandLine([], { stderr, run })).toBe(0);
});
