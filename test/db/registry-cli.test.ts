import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { Chain } from '../kit/chain.ts';
import { ChainServer } from '../kit/chain-server.ts';
import { type CommandResult, runCommand } from '../kit/command-line.ts';
import { createDatabase, createEmptyDatabase, type TestDatabase } from '../kit/postgres.ts';

const MASTER: Hex = `0x${'aa'.repeat(20)}`;
const TOKEN: Hex = `0x${'bb'.repeat(20)}`;
const POOL: Hex = `0x${'cc'.repeat(20)}`;
const WETH: Hex = `0x${'dd'.repeat(20)}`;

let test: TestDatabase;
beforeEach(async () => {
  test = await createDatabase();
  return () => test.drop();
});

const word = (address: Hex): Hex => `0x${address.slice(2).padStart(64, '0')}`;
const ANSWERS: Readonly<Record<string, Hex>> = {
  '0x0dfe1681': word(TOKEN),
  '0xd21220a7': word(WETH),
  '0x0902f1ac': `0x${'0'.repeat(192)}`,
  '0x5909c0d5': `0x${'0'.repeat(64)}`,
};
let server: ChainServer;
/** Creates a chain at block 120 with one V2 pool on it. */
beforeEach(async () => {
  const chain = new Chain({ chainId: 1 });
  chain.mine(120);
  chain.code.set(POOL, 7);
  chain.call = (to, data) => (to === POOL ? (ANSWERS[data] ?? '0x') : '0x');
  server = await ChainServer.start(chain);
  return () => server.close().catch(() => undefined);
});

function run(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { DATABASE_URL: test.url, RPC_URL_1: server.url });
}

async function result<T>(...args: string[]): Promise<T> {
  const ran = await run(...args, '--json');
  expect(ran).toMatchObject({ code: 0, err: '' });
  return JSON.parse(ran.out);
}

describe('indexer contracts', () => {
  it('adds, lists, removes and restores a contract', async () => {
    expect(
      (await run('contracts', 'add', 'master', MASTER.toUpperCase().replace('X', 'x'), '--from-block', '5')).out,
    ).toBe(`added master ${MASTER} on chain 1\n`);
    expect((await run('contracts', 'add', 'master', MASTER)).out).toBe(
      `already followed: master ${MASTER} on chain 1\n`,
    );
    expect((await run('contracts', 'remove', MASTER)).out).toBe(`removed master ${MASTER} of chain 1\n`);
    expect((await run('contracts', 'list')).out).toMatch(new RegExp(`1 +master +${MASTER} +removed +5 +-`));
    expect((await run('contracts', 'add', 'master', MASTER)).out).toBe(`restored master ${MASTER} on chain 1\n`);
    const listed = await result<{ contracts: object[] }>('contracts', 'list', '--chain', '1');
    expect(listed.contracts).toMatchObject([
      { chainId: 1, kind: 'master', status: 'active', deployedAtBlock: 5, completeTo: null },
    ]);
    expect(await result('contracts', 'list', '--chain', '2')).toEqual({ contracts: [] });
    expect((await run('contracts', 'remove', WETH)).out).toBe(`${WETH} is not registered on chain 1\n`);
  });

  it('reads the tokens and the type of a pool from the chain', async () => {
    expect((await run('contracts', 'add', 'pool', POOL)).err).toMatch(
      /is a registered artist token of chain 1; add one first/,
    );
    await run('contracts', 'add', 'artist-token', TOKEN);
    expect(await result('contracts', 'add', 'pool', POOL)).toEqual({
      contracts: [{ kind: 'pool', address: POOL, outcome: 'added' }],
    });
    expect((await run('contracts', 'add', 'pool', WETH)).err).toMatch(/does not answer token0\(\) and token1\(\)/);
    const withoutRpc = await runCommand(['contracts', 'add', 'pool', POOL, '--chain', '7'], { DATABASE_URL: test.url });
    expect(withoutRpc).toMatchObject({ code: 2 });
    expect(withoutRpc.err).toMatch(/set RPC_URL_7/);
  });

  it('refuses an option that does not belong to the kind, and a missing chain that is ambiguous', async () => {
    const wrong = await run(
      'contracts',
      'add',
      'master',
      MASTER,
      '--artist-id',
      'b54adc00-67f9-11d9-9669-0800200c9a66',
    );
    expect(wrong).toMatchObject({ code: 2, err: 'indexer: artistId does not go with master\n' });
    const withoutChain = await runCommand(['contracts', 'add', 'master', MASTER], { DATABASE_URL: test.url });
    expect(withoutChain).toMatchObject({ code: 2, err: 'indexer: no chain is configured; name one: --chain ID\n' });
  });

  it('imports a file completely or not at all', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'import-'));
    const file = join(folder, 'contracts.jsonl');
    const lines = [
      { kind: 'pool', address: POOL, chainId: 1 },
      { kind: 'artist-token', address: TOKEN, chainId: 1, fromBlock: 3 },
      { kind: 'master', address: MASTER },
    ];
    try {
      await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
      expect((await run('contracts', 'import', file)).out).toBe('3 added, 0 restored, 0 already followed\n');
      expect((await run('contracts', 'import', file)).out).toBe('0 added, 0 restored, 3 already followed\n');
      await writeFile(file, `{"kind":"master","address":"${WETH}"}\n{"kind":"master"}`);
      expect(await run('contracts', 'import', file)).toMatchObject({
        code: 1,
        err: expect.stringContaining('line 2: address is missing'),
      });
      expect((await result<{ contracts: object[] }>('contracts', 'list')).contracts).toHaveLength(3);
      expect((await run('contracts', 'import', join(folder, 'none'))).err).toMatch(/cannot read .*none/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('indexer status', () => {
  it('shows head, lag, gaps and the reason of a halt', async () => {
    expect((await run('status')).out).toMatch(
      /chain 1 \(Ethereum\): not followed by any process; follow it with: indexer start\n {2}head +none yet\n {2}lag +the chain is at 120/,
    );
    await run('contracts', 'add', 'master', MASTER, '--from-block', '5');
    const { Client } = (await import('pg')).default;
    const client = new Client({ connectionString: test.url });
    await client.connect();
    await client.query(`insert into indexer.chains (chain_id, head_number, head_hash, finalized_number, status, status_reason)
      values (1, 100, '0xabc', 90, 'halted', 'a reorg of 2000 blocks')`);
    await client.query(`update indexer.contracts set covered = '{[5,10)}', live_from = 50`);
    await client.end();
    const status = await result<{ chains: object[] }>('status');
    expect(status.chains).toMatchObject([
      {
        chainId: 1,
        status: 'halted',
        reason: 'a reorg of 2000 blocks',
        head: { number: 100, hash: '0xabc' },
        finalized: 90,
        remoteHead: 120,
        lagBlocks: 20,
        contracts: { active: 1, complete: 0, quarantined: 0, removed: 0 },
        gaps: [{ address: MASTER, kind: 'master', gaps: [{ from: 10, to: 49 }] }],
        deadLetters: 0,
        reorgs: 0,
      },
    ]);
    const { out } = await run('status');
    expect(out).toMatch(/halted\n {2}reason +a reorg of 2000 blocks/);
    expect(out).toMatch(/lag +20 blocks, the chain is at 120/);
    expect(out).toMatch(/gap +master 0xa+: 10-49\n/);
    await run('contracts', 'add', 'artist-token', TOKEN);
    const { out: unread } = await run('status');
    expect(unread).toMatch(
      /gap +artist-token 0xb+: 0-100 \(deployment block not read yet; `indexer start` reads it\)\n/,
    );
    expect((await run('contracts', 'list')).out).toMatch(/artist-token .*\? +- +deployment block not read yet/);
  });

  it('works without an endpoint, and with an endpoint that does not respond', async () => {
    const env = { DATABASE_URL: test.url };
    expect(await runCommand(['status'], env)).toMatchObject({ code: 0, out: expect.stringContaining('no chain yet') });
    const rpcUrl = `${server.url}/topsecret-key-of-mine`;
    await server.close();
    const ran = await runCommand(['status'], { ...env, RPC_URL_1: rpcUrl });
    expect(ran.code).toBe(0);
    expect(ran.out).toContain('lag          unknown: ');
    expect(ran.out).not.toContain('topsecret');
  });
});

describe('indexer migrate', () => {
  let empty: TestDatabase;
  beforeEach(async () => {
    empty = await createEmptyDatabase();
    return () => empty.drop();
  });
  const migrate = (...args: string[]) => runCommand(['migrate', ...args], { DATABASE_URL: empty.url });

  it('migrates up and down and shows the status, without any RPC endpoint', async () => {
    expect((await migrate('status')).out).toMatch(/0001_\w+ +pending/);
    expect((await migrate()).out).toMatch(/^applied 0001_/);
    expect((await migrate('up')).out).toBe('up to date\n');
    const { migrations } = JSON.parse((await migrate('status', '--json')).out);
    expect(migrations.every(({ appliedAt }: { appliedAt: string | null }) => appliedAt !== null)).toBe(true);
    expect(JSON.parse((await migrate('down', '--steps', '1', '--json')).out).reverted).toHaveLength(1);
    expect((await migrate('down')).out).toMatch(/reverted 0001_\w+\n$/);
    expect((await migrate('down')).out).toBe('nothing to revert\n');
  });

  it('is named in the error of every command that finds an older schema', async () => {
    for (const command of [['status'], ['contracts', 'list'], ['digest'], ['start']]) {
      const ran = await runCommand(command, { DATABASE_URL: empty.url, RPC_URL_1: 'http://x' });
      expect(ran).toMatchObject({ code: 1, err: expect.stringContaining('run `indexer migrate up`') });
    }
  });
});

describe('start, unwind and digest', () => {
  it('start --migrate migrates, starts every configured chain and stops on a signal', async () => {
    const empty = await createEmptyDatabase();
    const env = { DATABASE_URL: empty.url, RPC_URL_1: server.url, RPC_URL_2: 'http://127.0.0.1:1', HTTP_PORT: '0' };
    const ran = await runCommand(['start', '--migrate'], env, { stopAt: '"msg":"daemon started"' });
    await empty.drop();
    expect(ran).toMatchObject({ code: 0, out: '' });
    expect(ran.err).toMatch(/"msg":"daemon started"/);
    expect(ran.err).toContain('"chains":[1,2]');
  });

  it('unwind says where it went and why, and digest prints its result as JSON', async () => {
    const env = { DATABASE_URL: test.url };
    const { Client } = (await import('pg')).default;
    const client = new Client({ connectionString: test.url });
    await client.connect();
    await client.query(
      `insert into indexer.chains (chain_id, head_number, head_hash, finalized_number) values (1, 9, '0xabc', 8)`,
    );
    await client.query(`insert into indexer.block_checkpoints (chain_id, number, hash, parent_hash, "timestamp")
      values (1, 9, '0xabc', '0xab', now()), (1, 6, '0xab6', '0xab5', now())`);
    await client.end();
    const unwind = (to: string, ...more: string[]) =>
      runCommand(['unwind', '--chain', '1', '--to-block', to, ...more], env);
    const nowhere = await runCommand(['unwind', '--chain', '2', '--to-block', '5'], env);
    expect(nowhere).toMatchObject({ code: 2, err: 'indexer: chain 2 has no block that could be unwound\n' });
    const above = await unwind('5000');
    expect(above).toMatchObject({
      code: 2,
      err: 'indexer: block 5000 is not below the head of chain 1, which is 9\n',
    });
    expect((await unwind('9')).out).toBe('nothing was unwound: block 9 is the head of chain 1\n');
    expect(JSON.parse((await unwind('9', '--json')).out)).toEqual({ chainId: 1, toBlock: 9, factsRemoved: 0 });
    expect((await unwind('7')).out).toBe(
      'block 7 has no known hash: chain 1 went back to block 6, the nearest below with one; 0 facts removed\n',
    );
    expect((await runCommand(['status'], env)).out).toContain(
      'finalized    8 (above the head, because the chain was unwound)',
    );
    expect((await unwind('5')).out).toBe('chain 1 is back at block 5; 0 facts removed\n');
    expect((await unwind('3')).out).toBe(
      'neither block 3 nor one below it has a known hash: chain 1 starts from the beginning; 0 facts removed\n',
    );
    const digest = await runCommand(['digest', '--json', '--table', 'nft_transfers', 'master_nfts'], env);
    const none = { rows: 0, digest: expect.any(String) };
    expect(JSON.parse(digest.out)).toEqual({ tables: { nft_transfers: none, master_nfts: none } });
  });
});
