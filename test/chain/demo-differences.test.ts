import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommandLine } from '../../demo/command-line.ts';
import { summaryLines } from '../../demo/show.ts';
import { summarise } from '../../demo/summary.ts';
import { useAnvil } from '../kit/anvil.ts';
import { Daemon } from '../kit/daemon.ts';
import { deployPlatform, type Platform } from '../kit/deploy.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { registerPlatform } from '../kit/register-platform.ts';
import { createTraffic } from '../kit/traffic.ts';

const anvil = useAnvil();
let platform: Platform;
let database: TestDatabase;
let db: pg.Pool;

beforeAll(async () => {
  platform = await deployPlatform(anvil());
  database = await createDatabase();
  db = new pg.Pool({ connectionString: database.url });
});
afterAll(async () => {
  await db?.end();
  await database?.drop();
});

test('the summary lists tampered rows, and a database that is behind the chain', async () => {
  await registerPlatform(db, platform);
  await (await createTraffic(anvil(), platform, 3)).run(40);
  const daemon = await Daemon.start({
    DATABASE_URL: database.url,
    [`RPC_URL_${anvil().chainId}`]: anvil().wsUrl,
  });
  const scene = { db, anvil: anvil(), platform };
  expect(await summarise(scene)).toMatchObject({ equal: true, differences: [] });
  await daemon.stop();

  await db.query('update token_holders set balance = balance + 1 where wallet_address = $1', [platform.owner]);
  await db.query(
    "delete from nft_transfers where id = (select id from nft_transfers where transfer_type = 'mint' limit 1)",
  );
  const tampered = await summarise(scene);
  expect(tampered.equal).toBe(false);
  expect(tampered.differences).toEqual([
    expect.stringMatching(/^nft_transfers: \S+ is missing$/),
    expect.stringMatching(new RegExp(`^token_holders: ${platform.artistToken.address}:${platform.owner}: balance is `)),
  ]);
  expect(tampered.tables.filter(({ differences }) => differences > 0).map(({ table }) => table)).toEqual([
    'nft_transfers',
    'token_holders',
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
