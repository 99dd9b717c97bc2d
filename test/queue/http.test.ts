import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { createMeters } from '../../indexer/rpc/meter.ts';
import { chainSettings, Daemon } from '../kit/daemon.ts';
import { metricSum } from '../kit/metric-sum.ts';
import { busyBlocks } from '../kit/music.ts';
import { Program } from '../kit/program.ts';
import { createScene, follow } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

/** Reads the JSON of a path. */
async function read(daemon: Daemon, path: string): Promise<Json> {
  return (await daemon.fetch(path)).json() as Promise<Json>;
}

// biome-ignore lint/suspicious/noExplicitAny: tests compare what it holds
type Json = any;

const SECRET = 'a-token-that-nobody-guesses';

test('a daemon serves its status, its metrics, its contracts and its state', async () => {
  const { daemon, db, chain, settled } = await follow();
  await settled();
  await until('all to be well', async () => (await read(daemon, '/status')).status === 'healthy');

  const status = await read(daemon, '/status');
  const published = z.fromJSONSchema(await read(daemon, '/status/schema'));
  expect(published.safeParse(status).error).toBeUndefined();
  expect(published.safeParse({ ...status, blocksBehind: 'none' }).success).toBe(false);
  const head = chain.head.number;
  expect(status).toMatchObject({
    ...{ status: 'healthy', reasons: [], blocksBehind: 0 },
    chains: [{ chainId: 31_337, state: 'following', head: { number: head }, remoteHead: head, completeTo: head }],
  });
  expect(status.chains[0].endpoints).toHaveLength(1);
  expect(status.chains[0].endpoints[0]).toMatchObject({
    endpoint: expect.stringMatching(/^127\.0\.0\.1:\d+#0$/),
    status: 'healthy',
    failedCalls: 0,
  });
  expect(status.chains[0].endpoints[0].calls).toBeGreaterThan(0);

  // Every fact that the daemon wrote is counted, whichever part of it wrote the fact.
  const { rows } = await db.query<{ facts: number }>('select count(*)::int as facts from token_transfers');
  const lines = await daemon.metrics();
  const sumOf = (pattern: RegExp) => metricSum(lines, pattern);
  expect(sumOf(/^indexer_events_total\{.*table="token_transfers"/)).toBe(rows[0]?.facts);
  expect(sumOf(/^indexer_commit_seconds_count\{/)).toBeGreaterThan(0);
  expect(sumOf(/^indexer_rpc_calls_total\{.*method="eth_getLogs".*outcome="ok"/)).toBeGreaterThan(0);
  expect(sumOf(/^rpc_requests_total\{network="31337",method="eth_getLogs"/)).toBeGreaterThan(0);
  expect(sumOf(/^db_connections_(?:active|idle) /)).toBeGreaterThan(0);
  expect(sumOf(/^db_query_duration_seconds_count /)).toBeGreaterThan(0);
  for (const name of ['nodejs_eventloop_lag_p99_seconds', 'process_resident_memory_bytes', 'indexer_queue_jobs{'])
    expect(lines.filter((line) => line.startsWith(name))).not.toEqual([]);

  const contracts = (query: string) => read(daemon, `/contracts?${query}`);
  const all = await contracts('');
  expect(all.contracts).toHaveLength(all.total);
  const [first] = all.contracts;
  expect(await contracts(`search=${first.address.slice(-12).toUpperCase()}`)).toMatchObject({ contracts: [first] });
  expect((await contracts('search=artist%20token')).contracts.map(({ kind }: { kind: string }) => kind)).toContain(
    'artist_token',
  );
  expect(await contracts('search=%25')).toEqual({ total: 0, contracts: [] });
  expect(await contracts('limit=1&offset=1')).toEqual({ total: all.total, contracts: [all.contracts[1]] });
  expect((await daemon.fetch('/contracts?limit=0')).status).toBe(400);

  expect(await read(daemon, '/nowhere')).toMatchObject({ error: expect.stringContaining('/status') });
  expect(await read(daemon, '/health')).toEqual({ ok: true });
});

test('a daemon warns when 80 % and when all of a monthly budget are spent, and all calls of all processes count', async () => {
  const LIMIT = 100_000_000;
  const scene = await createScene();
  const { server, db, env } = scene;
  const endpoint = { url: `${server.url}/${SECRET}`, monthlyCalls: LIMIT };
  const { host, keyHash } = createMeters([endpoint], () => 0)[0]?.budget?.account ?? {};
  const setSpent = (calls: number) =>
    db.query(
      `insert into indexer.endpoint_spending values (date_trunc('month', now() at time zone 'UTC'), $1, $2, $3, 0)
       on conflict (month, host, key_hash) do update set calls = excluded.calls`,
      [host, keyHash, calls],
    );
  const ratios = async (daemon: Daemon) =>
    (await daemon.metrics())
      .filter((line) => line.startsWith('indexer_rpc_budget_spent_ratio{'))
      .map((line) => Number(line.split(' ').at(-1)));

  await setSpent(0.85 * LIMIT);
  const daemon = await Daemon.start(env, { rpcUrls: [endpoint] });
  await scene.settled();
  await until('the warning', () => daemon.logLines('80 % of the monthly budget').length > 0);
  await until('the metric', async () => (await ratios(daemon)).length > 0);
  const [ratio = 0] = await ratios(daemon);
  expect(ratio).toBeCloseTo(0.85, 4);
  const status = await read(daemon, '/status');
  expect(z.fromJSONSchema(await read(daemon, '/status/schema')).safeParse(status).error).toBeUndefined();
  const { budget } = status.chains[0].endpoints[0];
  expect(budget).toMatchObject({ unit: 'calls', limit: LIMIT });
  expect(budget.spent).toBeGreaterThan(0.85 * LIMIT);
  expect(await daemon.stop()).toBe(0);
  expect(daemon.logLines('80 % of the monthly budget')).toHaveLength(1);
  expect(daemon.logLines('all of the monthly budget of an endpoint is spent')).toEqual([]);

  const spent = async () => Number((await db.query('select calls from indexer.endpoint_spending')).rows[0]?.calls);
  const sent = () => server.arrivals.length;
  /** Expects that all calls since then were counted. A few counted calls may not have been sent, because the process was stopped. */
  const expectCounted = async (since: { readonly spent: number; readonly sent: number }) => {
    expect(sent()).toBeGreaterThan(since.sent);
    const notSent = (await spent()) - since.spent - (sent() - since.sent);
    expect(notSent).toBeGreaterThanOrEqual(0);
    expect(notSent).toBeLessThan(Math.max(10, sent() - since.sent));
  };
  await expectCounted({ spent: 0.85 * LIMIT, sent: 0 });
  for (const args of [['status'], ['backfill', '--from-block', '0'], ['worker']]) {
    const before = { spent: await spent(), sent: sent() };
    const program = new Program(args, env, { settings: chainSettings(env, { rpcUrls: [endpoint] }) });
    if (args[0] === 'worker') {
      await until('the worker', () => program.logLines('worker started').length > 0);
      program.signal('SIGTERM');
    }
    expect(await program.exited).toBe(0);
    await expectCounted(before);
  }

  await setSpent(LIMIT);
  const next = await Daemon.start(env, { rpcUrls: [endpoint] });
  await until('the warning', () => next.logLines('all of the monthly budget of an endpoint is spent').length > 0);
  expect(next.logLines('80 % of the monthly budget')).toEqual([]);
  expect((await db.query('select endpoint_spending::text from indexer.endpoint_spending')).rows).toHaveLength(1);
  for (const text of [daemon.stderr, next.stderr, JSON.stringify(status)]) expect(text).not.toContain(SECRET);
});

test('listeners get the state with every new block, and the process stops although they listen', async () => {
  const { daemon, chain, settled } = await follow();
  await settled();
  const response = await daemon.fetch('/events');
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const states = statesOf(response);
  expect((await states.next()).value.status.chains[0].head.number).toBe(chain.head.number);
  chain.append(...busyBlocks(7)(1));
  await until('the new block', async () => {
    const { blocks } = (await states.next()).value;
    return blocks[0].blocks[0].number === chain.head.number;
  });
  daemon.signal('SIGTERM');
  expect(await daemon.exited).toBe(0);
});

/** Yields the data of each `state` event in a stream of server-sent events. */
async function* statesOf(response: Response) {
  let text = '';
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const data = /^event: state\ndata: (.*)$/s.exec(event)?.[1];
      if (data !== undefined) yield JSON.parse(data);
    }
  }
}

test('a daemon is not ready while the schema is another or blocks cannot be read in which facts contradict each other', async () => {
  const { daemon, db, settled } = await follow();
  await settled();
  const isReady = async () => (await daemon.ready()).status === 200;
  await until('readiness', isReady);

  await db.query(`insert into indexer.kysely_migration values ('9999_of_a_newer_program', now()::text)`);
  expect(await daemon.ready()).toMatchObject({ status: 503, chains: { schema: expect.stringContaining('newer') } });
  expect(await read(daemon, '/status')).toMatchObject({ status: 'degraded' });
  await db.query(`delete from indexer.kysely_migration where name like '9999%'`);
  await until('readiness', isReady);

  const { rows } = await db.query(
    'delete from indexer.kysely_migration where name = (select max(name) from indexer.kysely_migration) returning *',
  );
  const older = expect.stringContaining('older than this program (1 migrations to apply)');
  expect(await daemon.ready()).toMatchObject({ status: 503, chains: { schema: older } });
  await db.query('insert into indexer.kysely_migration values ($1, $2)', [rows[0].name, rows[0].timestamp]);
  await until('readiness', isReady);
  expect(await read(daemon, '/status')).toMatchObject({ status: 'healthy', reasons: [] });

  // The blocks are not final, so the daemon does not read them yet.
  const insertDoubt = (from: number, status: string, reason: string | null) =>
    db.query(
      `insert into indexer.doubts (chain_id, address, kind, rule, from_block, to_block, detail, status, status_reason)
       values (31337, '0x' || repeat('1', 40), 'artist_token', 'balance', $1::bigint, $1::bigint + 1, '', $2, $3)`,
      [from, status, reason],
    );
  await insertDoubt(18, 'property', null);
  expect(await daemon.ready()).toEqual({ status: 200, ready: true, chains: { 31337: 'following' } });
  await insertDoubt(20, 'open', null);
  const doubt = expect.stringContaining('contradicts itself (balance) in blocks 20 to 21, which are compared');
  expect(await daemon.ready()).toMatchObject({
    status: 200,
    chains: { 31337: 'following' },
    degraded: { 31337: doubt },
  });
  expect(await read(daemon, '/status')).toMatchObject({ status: 'degraded', reasons: [doubt] });
  await insertDoubt(3, 'unreadable', 'pruned');
  expect(await daemon.ready()).toMatchObject({
    status: 503,
    chains: {
      31337: expect.stringContaining('contradicts itself (balance) in blocks 3 to 4, which cannot be read: pruned'),
    },
    degraded: { 31337: doubt },
  });
});

test('a daemon is not ready while its head is behind or stalls by more than configured, and ready again when blocks are committed', async () => {
  const { env, chain, db, settled } = await follow();
  await settled();
  // These stand by, so that the commits that the leader cannot make do not fail in them.
  const behind = await Daemon.start(env, {}, { lagBlocks: 3, stalledSeconds: 86_400 });
  const stalled = await Daemon.start(env, {}, { lagBlocks: 1_000, stalledSeconds: 1 });
  const areReady = async () => (await behind.ready()).status === 200 && (await stalled.ready()).status === 200;
  await until('readiness', areReady);

  const lock = await db.connect();
  try {
    await lock.query('begin; lock table indexer.chains in share mode'); // readable, but no block can be committed
    chain.append(...busyBlocks(7)(4));
    const reasonOf = (daemon: Daemon, reason: RegExp) =>
      until(String(reason), async () => {
        const { status, chains } = await daemon.ready();
        return status === 503 && reason.test(chains[chain.chainId] ?? '');
      });
    await reasonOf(behind, /^behind: 4 blocks to the head of the chain$/);
    await reasonOf(stalled, /^stalled: no block was committed for \d+ s, although the chain has newer ones$/);
  } finally {
    await lock.query('rollback');
    lock.release();
  }
  await settled();
  await until('readiness', areReady);
});

test('queues are shown to everyone and changed by nobody, or shown and changed by those who know the token', async () => {
  const { env, settled, startDaemon, daemon: open } = await follow();
  await settled();
  await until('the queue', () => open.logLines('range filled').length > 0);
  expect((await open.fetch('/queues/')).headers.get('content-type')).toContain('text/html');
  const [queue] = (await read(open, '/queues/api/queues')).queues;
  expect(queue).toMatchObject({ readOnlyMode: true });
  const pause = `/queues/api/queues/${queue.name}/pause`;
  expect((await open.fetch(pause, { method: 'PUT' })).status).toBe(403);

  const guarded = await Daemon.start({ ...env, HTTP_TOKEN: SECRET });
  const basic = (user: string, token: string) => ({ authorization: `Basic ${btoa(`${user}:${token}`)}` });
  const statusOf = async (path: string, init: RequestInit) => (await guarded.fetch(path, init)).status;
  expect(await statusOf('/queues/', {})).toBe(401);
  expect(await statusOf(pause, { method: 'PUT', headers: basic('any', `${SECRET}x`) })).toBe(401);
  const headers = basic('any', SECRET);
  await until('the queue', async () => (await statusOf('/queues/', { headers })) === 200);
  expect(await statusOf(pause, { method: 'PUT', headers: { ...headers, 'sec-fetch-site': 'cross-site' } })).toBe(401);
  const isPaused = async () => (await read(open, '/queues/api/queues')).queues[0].isPaused;
  expect(await isPaused()).toBe(false);
  await until('the queue to pause', async () => {
    await guarded.fetch(pause, { method: 'PUT', headers: { authorization: `Bearer ${SECRET}` } });
    return isPaused();
  });
  expect(guarded.stderr).not.toContain(SECRET);
  await startDaemon(); // several pages of one queue are no trouble
});

test('each batch is traced from its fetch to its commit, and the collector may be away', async () => {
  const spans: { name: string; spanId: string; parentSpanId?: string; attributes: unknown[] }[] = [];
  const collector = createServer((request, response) => {
    let body = '';
    request.on('data', (text) => (body += text));
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(body);
      for (const { scopeSpans } of resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void collector.close());
  const { port } = collector.address() as AddressInfo;
  const { env, settled } = await createScene({ settings: {} });
  const daemon = await Daemon.start({ ...env, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
  await settled();
  for (const name of ['head batch', 'history job']) {
    await until(`a whole ${name}`, () =>
      spans.some((batch) => {
        const steps = spans.filter(({ parentSpanId }) => parentSpanId === batch.spanId).map((step) => step.name);
        return batch.name === name && steps.includes('fetch') && steps.includes('commit');
      }),
    );
  }
  collector.close();
  collector.closeAllConnections();
  daemon.signal('SIGTERM');
  expect(await daemon.exited).toBe(0);
});
