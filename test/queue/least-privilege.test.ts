import pg from 'pg';
import { expect, test } from 'vitest';
import { ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { runCommand } from '../kit/command-line.ts';
import { chainSettings } from '../kit/daemon.ts';
import { addressOf } from '../kit/event-logs.ts';
import { busyBlocks, erc20Mint, MASTER, TOKEN, WALLETS } from '../kit/music.ts';
import { Program } from '../kit/program.ts';
import { busyChain, createScene } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

const ROLE = 'audifi_indexer';
const PASSWORD = 'mirror';
const DENIED = /permission denied|must be owner|row-level security/;

/** Turns on row-level security with policies that fail without the settings that the platform's backend sets. */
async function secureTables(db: pg.Pool): Promise<void> {
  const { rows } = await db.query<{ name: string }>(
    "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'",
  );
  for (const { name } of rows) {
    await db.query(`
      alter table ${name} enable row level security;
      create policy of_user on ${name} using (id::text = current_setting('app.current_artist_id'))`);
  }
}

/** Creates the role, grants what the command prints, and returns a URL that connects as the role. */
async function connectAsRole(db: pg.Pool, url: string): Promise<string> {
  await db.query(`drop role if exists ${ROLE}`);
  await db.query(`create role ${ROLE} login password '${PASSWORD}'`);
  const printed = await runCommand(['migrate', 'grants', '--role', ROLE]);
  expect(printed).toMatchObject({ code: 0, err: '' });
  // The printed statements can be executed repeatedly.
  for (let times = 0; times < 2; times++) await db.query(printed.out);
  const ofRole = new URL(url);
  ofRole.username = ROLE;
  ofRole.password = PASSWORD;
  return ofRole.href;
}

test('a role without other rights does all of the work under row-level security, and cannot write what is the platform’s', async () => {
  const { chain, db, url, env, settled } = await createScene({ chain: busyChain(60, 30) });
  await secureTables(db);
  const ofRole = { ...env, DATABASE_URL: await connectAsRole(db, url) };
  const settings = chainSettings(ofRole, {
    verifyIntervalHours: 1,
    proof: { level: 'background', callsPerSecond: 1_000 },
  });
  const run = (...args: string[]) => new Program(args, ofRole, { settings });
  const daemon = run('start');
  await settled();

  // Cause a dead letter and a reorg, and add a contract with placeholder rows.
  const { topics } = erc20Mint(WALLETS[0], 1n);
  chain.append({ logs: [{ address: TOKEN, topics, data: '0x01' }] }, ...busyBlocks(3)(3));
  await settled();
  chain.reorg(3, busyBlocks(4)(4));
  await settled();
  const added = run('contracts', 'add', 'artist-token', addressOf(0xadd), '--from-block', '1', '--json');
  expect(await added.exited).toBe(0);
  const snapshot = run('snapshot', '--contract', MASTER, '--block', '40');
  expect(await snapshot.exited).toBe(0);
  expect(await run('dead-letters', 'retry').exited).toBe(1);
  expect(await run('dead-letters', 'drop', '--all').exited).toBe(0);
  // Contracts on a chain in memory answer no calls, so the verification finds differences, and reads blocks again.
  const verified = run('verify', '--repair');
  await verified.exited;
  expect(verified.stderr).toMatch(/\d+ differences/);
  expect(verified.stderr).not.toMatch(DENIED);
  expect(await run('digest').exited).toBe(0);
  expect(await run('unwind', '--to-block', '50').exited).toBe(0);
  await until('the proof of the final blocks', async () => {
    const { rows } = await db.query(
      `select from indexer.contracts where not proved @> int8range(1, 30) and address <> '${addressOf(0xadd)}'`,
    );
    return rows.length === 0;
  });
  expect(daemon.log.filter((line) => DENIED.test(JSON.stringify(line)))).toEqual([]);
  expect(await daemon.stop()).toBe(0);

  const role = new pg.Client({ connectionString: ofRole.DATABASE_URL });
  await role.connect();
  try {
    for (const refused of [
      "update masters set title = 'mine'",
      'delete from master_contracts',
      "update master_nfts set listing_status = 'sold'",
      'update master_contracts set master_id = master_id',
      'update master_ipos set total_supply = 1',
      'update users set email = email',
      'select two_factor_secret from users',
      'select access_token from accounts',
      'update revenue_events set amount = 1',
      'create table public.mine ()',
      'alter table master_nfts disable row level security',
    ])
      await expect(role.query(refused), refused).rejects.toThrow(/permission denied|must be owner/);
    await role.query(`update master_nfts set token_uri = null where current_owner_wallet = '${ZERO_ADDRESS}'`);
  } finally {
    await role.end();
  }
});
