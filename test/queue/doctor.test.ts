import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startAnvil } from '../kit/anvil-node.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import { runCommand } from '../kit/command-line.ts';
import { hasPgBouncer, transactionPooler } from '../kit/pgbouncer.ts';
import { createEmptyDatabase } from '../kit/postgres.ts';
import { hasRedis, redisServer } from '../kit/redis.ts';
import { busyChain, database, serve } from '../kit/scene.ts';

const SECRET = 'hunter2-and-more';
/** Creation code that emits a log and leaves a contract without code. */
const EMIT_LOG = '0x60006000a000';
const HISTORY_BLOCKS = 150;

type Found = { readonly status: string; readonly detail: string; readonly advice: string | null };
type Env = Readonly<Record<string, string>>;

/** Runs `indexer doctor`. Returns its exit code and its findings by `subject: check`. A subject is cut before its first ` (`. */
async function examine(env: Env) {
  const { code, out, err } = await runCommand(['doctor', '--json'], env);
  expect(`${out}${err}`).not.toContain(SECRET);
  const lines = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.at(-1)).toMatchObject({ type: 'result' });
  const checks = lines.filter(({ type }) => type === 'check');
  const found = new Map<string, Found>(checks.map((line) => [`${line.subject.split(' (')[0]}: ${line.check}`, line]));
  const notOk = [...found].flatMap(([name, { status }]) => (status === 'ok' ? [] : [`${status} ${name}`]));
  return { code, found, notOk, err };
}

test('a set-up that works is ok in every respect, over HTTP and WebSocket', async () => {
  const { url } = await database();
  const anvil = await startAnvil({ mining: 'auto' });
  onTestFinished(() => anvil.stop());
  const [from] = anvil.accounts;
  await anvil.send({ from: from!, data: EMIT_LOG });
  const env = { DATABASE_URL: url, RPC_URL_31337: `${anvil.url},${anvil.wsUrl}` };
  const { code, found, notOk, err } = await examine(env);
  expect({ code, notOk, err }).toEqual({ code: 0, notOk: [], err: '' });
  expect(found.get('RPC_URL_31337, endpoint 1: timestamps in logs')?.detail).toBe('supported');
  expect(found.get('RPC_URL_31337, endpoint 1: subscription')?.detail).toMatch(/^not a WebSocket: the head is polled/);
  expect(found.get('RPC_URL_31337, endpoint 2: subscription')?.detail).toBe('new heads are announced');
  const text = await runCommand(['doctor'], env);
  expect(text.out).toMatch(/^ok {7}database: schema: \d+ migrations are applied$/m);
  expect(text.out).toMatch(/^\d+ ok, 0 warnings, 0 failed\n$/m);
});

test('what an endpoint does not serve is a warning that says what follows and what to change', async () => {
  const { url } = await database();
  const server = await serve(busyChain(HISTORY_BLOCKS, 100));
  const withView = async (view: Partial<typeof server.view>) => {
    Object.assign(server.view, view);
    return examine({ DATABASE_URL: url, RPC_URL_31337: server.wsUrl });
  };
  const healthy = await withView({});
  expect(healthy).toMatchObject({ code: 0, notOk: [`warning RPC_URL_31337: timestamps in logs`] });
  const cap = ({ blocks }: { blocks: number }) => {
    if (blocks > 10) throw new RpcFault(-32_000, 'block range is too wide: limited to a 10 block range');
  };
  const poor = await withView({
    ...{ cap, noFinalizedTag: true, noBlockHashFilter: true, noSubscriptions: true, prunedBelow: 20 },
  });
  expect(poor.code).toBe(0);
  expect(poor.notOk).toEqual(
    [
      'finalized block',
      'safe block',
      'old blocks',
      'old state',
      'logs by block hash',
      'logs by range',
      'subscription',
    ].map((check) => `warning RPC_URL_31337: ${check}`),
  );
  expect(poor.found.get(`RPC_URL_31337: finalized block`)?.detail).toMatch(
    /the block 64 below the head counts as finalized$/,
  );
  expect(poor.found.get(`RPC_URL_31337: old blocks`)?.detail).toBe('the logs of block 1 are gone');
  expect(poor.found.get(`RPC_URL_31337: logs by range`)?.detail).toMatch(/^ranges of 10 blocks at most \(.*too wide/);
  server.chain.finalized = 0;
  const stuck = await withView({ noFinalizedTag: false });
  expect(stuck.found.get(`RPC_URL_31337: finalized block`)?.detail).toMatch(/^the tag is always block 0: the block 64/);
  server.batchFault = () => ({ body: { jsonrpc: '2.0', id: null, error: { code: -32_600, message: 'no batches' } } });
  const hiding = await withView({ cap: undefined, noBlockHashFilter: false, prunedBelow: 0, hiddenLogs: true });
  expect(hiding.found.get(`RPC_URL_31337: logs by block hash`)).toMatchObject({
    status: 'warning',
    detail: 'no logs for a block whose receipts hold some',
  });
  expect(hiding.found.get(`RPC_URL_31337: batches`)).toMatchObject({ status: 'warning', detail: /not supported/ });
  server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'error', code: -32_601, message: 'method not found' } });
  const useless = await withView({ noBlockReceipts: true });
  expect(useless).toMatchObject({ code: 1, err: expect.stringMatching(/^indexer: 1 of \d+ checks failed\n$/) });
  expect(useless.notOk).toContain(`failed RPC_URL_31337: logs by range`);
  expect(useless.found.get(`RPC_URL_31337: receipts of a block`)).toMatchObject({
    status: 'warning',
    detail: expect.stringContaining('the method eth_getBlockReceipts does not exist'),
    advice: expect.stringContaining('prefer an endpoint with eth_getBlockReceipts'),
  });
});

test('an endpoint that is down only matters if the chain has no other one; one of another chain always does', async () => {
  const { url } = await database();
  const server = await serve(busyChain());
  const refusing = await serve(busyChain());
  refusing.misbehave({ do: { kind: 'http', status: 401, body: `no such key: ${SECRET}` } });
  const down = `http://127.0.0.1:1/v2/${SECRET}`;
  const beside = await examine({ DATABASE_URL: url, RPC_URL_31337: `${server.url},${down},${refusing.url}/${SECRET}` });
  expect(beside.code).toBe(0);
  expect(beside.found.get('RPC_URL_31337, endpoint 2: chain id')).toMatchObject({
    status: 'warning',
    detail: 'RPC_URL_31337, endpoint 2: nothing listens on 127.0.0.1:1; start the node there, or correct the URL',
    advice: 'it is not used while other endpoints of the chain work',
  });
  expect(beside.found.get('RPC_URL_31337, endpoint 3: chain id')?.detail).toMatch(/HTTP 401: .*correct the key/);
  const alone = await examine({ DATABASE_URL: url, BASE_RPC_URL: `${down},ws://127.0.0.1:1` });
  expect(alone).toMatchObject({ code: 1 });
  expect(alone.notOk).toEqual([
    'failed BASE_RPC_URL, endpoint 1: chain id',
    'failed BASE_RPC_URL, endpoint 2: chain id',
  ]);
  const wrong = await examine({ DATABASE_URL: url, RPC_URL_5: server.url });
  expect(wrong.code).toBe(1);
  expect(wrong.found.get('RPC_URL_5: chain id')).toMatchObject({
    status: 'failed',
    detail: 'serves chain 31337, not 5',
    advice: 'correct the URL, or name it RPC_URL_31337',
  });
  const none = await examine({ DATABASE_URL: url });
  expect(none).toMatchObject({ code: 1, notOk: ['failed endpoints: chain id'] });
});

test.each([
  ['AUDIFI_DATABASE_URL', 'it differs from DATABASE_URL'],
  ['AUDIFI_DATABASE_REPLICA_URL', 'the program reads from the primary only'],
])('%s, which has no effect, is named by doctor, and in the log of every command', async (name, reason) => {
  const { url } = await database();
  const server = await serve(busyChain());
  const ignored = { [name]: `postgres://someone:${SECRET}@elsewhere/mirror` };
  const env = { DATABASE_URL: url, RPC_URL_31337: server.url, ...ignored };
  expect((await examine(env)).found.get('configuration: variables')).toMatchObject({
    status: 'warning',
    detail: `${name} is ignored: ${reason}`,
  });
  const { code, err } = await runCommand(['status'], env);
  expect(code).toBe(0);
  expect(JSON.parse(err)).toMatchObject({ ignored: name, reason });
  expect(err).not.toMatch(/elsewhere/);
});

const pooled = await hasPgBouncer();
const installed = await hasRedis();

describe('a database', () => {
  test('that is absent, not migrated, or not open to the user is named with what to do', async () => {
    const server = await serve(busyChain());
    const env = { RPC_URL_31337: server.url };
    const absent = await examine({ ...env, DATABASE_URL: `postgres://someone:${SECRET}@127.0.0.1:1/mirror` });
    expect(absent).toMatchObject({ code: 1, notOk: expect.arrayContaining(['failed database: connection']) });
    expect(absent.found.get('database: connection')?.detail).toMatch(
      /^DATABASE_URL: nothing listens on 127\.0\.0\.1:1/,
    );
    const unset = await examine(env);
    expect(unset.found.get('database: connection')).toMatchObject({
      status: 'failed',
      detail: 'no database is configured',
    });

    const empty = await createEmptyDatabase();
    onTestFinished(empty.drop);
    const unmigrated = await examine({ ...env, DATABASE_URL: empty.url });
    expect(unmigrated.code).toBe(1);
    expect(unmigrated.found.get('database: schema')?.detail).toMatch(/run `indexer migrate up`$/);

    const { url, db } = await database();
    const role = `reader_${Date.now()}`;
    await db.query(`create role ${role} login password '${SECRET}'`);
    await db.query(
      `grant usage on schema indexer to ${role}; grant select on all tables in schema indexer, public to ${role}`,
    );
    onTestFinished(async () => {
      await withClient(url, `drop owned by ${role}; drop role ${role}`);
    });
    const unprivileged = Object.assign(new URL(url), { username: role, password: SECRET }).href;
    const refused = await examine({ ...env, DATABASE_URL: unprivileged });
    expect(refused.code).toBe(1);
    expect(refused.notOk).toContain('failed database: privileges');
    expect(refused.found.get('database: privileges')).toMatchObject({
      detail: expect.stringMatching(
        new RegExp(`^user ${role} may not read and write indexer\\.\\w+ and \\d+ more tables$`),
      ),
      advice: `grant select, insert, update, delete on them to ${role}`,
    });
    await db.query(`grant update on all tables in schema indexer, public to ${role}`);
    expect((await examine({ ...env, DATABASE_URL: unprivileged })).notOk).toContain('failed database: privileges');
    await db.query(`grant select, insert, update, delete on all tables in schema indexer, public to ${role}`);
    expect((await examine({ ...env, DATABASE_URL: unprivileged })).notOk).not.toContain('failed database: privileges');
    await db.query(`alter role ${role} set default_transaction_read_only = on`);
    expect((await examine({ ...env, DATABASE_URL: unprivileged })).notOk).toContain('failed database: writable');
  });

  test('and its direct URL must be the same database', async () => {
    const [{ url }, other] = await Promise.all([database(), database()]);
    const server = await serve(busyChain());
    const env = { DATABASE_URL: url, RPC_URL_31337: server.url };
    expect((await examine({ ...env, DATABASE_DIRECT_URL: url })).notOk).not.toContain('failed database: pooler');
    const { code, found } = await examine({ ...env, DATABASE_DIRECT_URL: other.url });
    expect(code).toBe(1);
    expect(found.get('database: pooler')?.detail).toBe(
      'DATABASE_DIRECT_URL and DATABASE_URL lead to different databases',
    );
  });

  test.skipIf(!pooled)(`behind a pooler is named${pooled ? '' : ' (PGBOUNCER IS NOT INSTALLED HERE)'}`, async () => {
    const { url } = await database();
    const server = await serve(busyChain());
    const env = { DATABASE_URL: (await transactionPooler())(url), RPC_URL_31337: server.url };
    const { code, found, notOk } = await examine(env);
    expect(code).toBe(0);
    expect(notOk).toContain('warning database: pooler');
    expect(found.get('database: pooler')?.advice).toBe('set DATABASE_DIRECT_URL to the host of the database itself');
    const direct = await examine({ ...env, DATABASE_DIRECT_URL: url });
    expect(direct.found.get('database: pooler')?.detail).toBe('a pooler answers; sessions use DATABASE_DIRECT_URL');
  });
});

test.skipIf(!installed)(
  `a Redis that may evict jobs is a warning, and one that is down a failure${installed ? '' : ' (REDIS IS NOT INSTALLED HERE)'}`,
  async () => {
    const { url } = await database();
    const server = await serve(busyChain());
    const redis = await redisServer('--maxmemory-policy', 'allkeys-lru');
    await redis.run((client) => client.config('SET', 'requirepass', SECRET));
    const redisUrl = redis.url.replace('//', `//:${SECRET}@`);
    const env = { DATABASE_URL: url, RPC_URL_31337: server.url };
    const evicting = await examine({ ...env, REDIS_URL: redisUrl });
    expect(evicting.code).toBe(0);
    expect(evicting.found.get('queue: eviction')).toMatchObject({
      status: 'warning',
      detail: 'the maxmemory-policy allkeys-lru may evict jobs of the queue, which are then planned again',
      advice: expect.stringContaining('if REDIS_URL is the cache of another program, set QUEUE_URL'),
    });
    expect(evicting.found.get('queue: version')?.detail).toMatch(/^Redis \d/);
    const locked = await examine({ ...env, QUEUE_URL: redis.url });
    expect(locked).toMatchObject({ code: 1, notOk: expect.arrayContaining(['failed queue: connection']) });
    await redis.stop();
    const down = await examine({ ...env, QUEUE_URL: redisUrl });
    expect(down.code).toBe(1);
    expect(down.found.get('queue: connection')?.detail).toMatch(/^QUEUE_URL: nothing listens on 127\.0\.0\.1/);
  },
);

async function withClient(url: string, statements: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(statements);
  await client.end();
}
