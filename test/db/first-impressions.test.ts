import { createServer, type Socket } from 'node:net';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runCommand } from '../kit/command-line.ts';
import { Daemon } from '../kit/daemon.ts';
import { freePort } from '../kit/free-port.ts';
import { createEmptyDatabase } from '../kit/postgres.ts';
import { type Environment, Program } from '../kit/program.ts';
import { database, follow, serve } from '../kit/scene.ts';
import { busyChain as chainOf } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const ADDRESS = `0x${'aa'.repeat(20)}`;
const SECRET = 'hunter2-and-more';

/** Listens on a free port until the test ends. Returns the port and the number of connections so far. */
async function listen(onConnection: (socket: Socket) => void): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port, connections: () => connections };
}

/** Runs a command of the real program to its end. */
async function run(args: readonly string[], env: Environment) {
  const program = new Program(args, { LOG_LEVEL: 'info', ...env });
  const code = await program.exited;
  expect(`${program.stdout}${program.stderr}`).not.toContain(SECRET);
  return { code, out: program.stdout, err: program.stderr };
}

const urlOf = (host: string, name = 'mirror') => `postgres://indexer:${SECRET}@${host}/${name}`;
/** Returns a URL with changed parts. */
const changed = (url: string, parts: Partial<Pick<URL, 'username' | 'password' | 'pathname'>>) =>
  Object.assign(new URL(url), parts).href;

describe('a database that cannot be reached is named with its variable and what to do', () => {
  test('where nothing, something else or nobody answers', async () => {
    const silent = await listen(() => undefined);
    const closing = await listen((socket) => socket.destroy());
    const expected: readonly [string, RegExp][] = [
      [urlOf('127.0.0.1:1'), /^indexer: DATABASE_URL: nothing listens on 127\.0\.0\.1:1; start PostgreSQL there/],
      [
        urlOf('nohost.invalid'),
        /DATABASE_URL: (?:there is no host nohost|the host nohost\.invalid cannot be looked up)/,
      ],
      [urlOf(`127.0.0.1:${silent.port}`), new RegExp(`DATABASE_URL: 127.0.0.1:${silent.port} does not answer`)],
      [urlOf(`127.0.0.1:${closing.port}`), new RegExp(`DATABASE_URL: 127.0.0.1:${closing.port} closes the connection`)],
    ];
    const ran = await Promise.all(expected.map(([url]) => run(['status'], { DATABASE_URL: url })));
    for (const [at, { code, err }] of ran.entries()) {
      expect(code).toBe(1);
      expect(err).toMatch(expected[at]![1]);
    }
  });

  test('where the user, the password, the database or its schema is missing', async () => {
    const { url, drop } = await createEmptyDatabase();
    onTestFinished(drop);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const mute = `mute_${Date.now()}`;
    await client.query(`create role ${mute} nologin password '${SECRET}'`);
    onTestFinished(async () => {
      await client.query(`drop role ${mute}`);
      await client.end();
    });
    const { hostname, port } = new URL(url);
    const at = `-h ${hostname} -p ${port}`;
    const expected: readonly [string, RegExp][] = [
      [changed(url, { password: SECRET }), /DATABASE_URL: PostgreSQL refuses user postgres with this password/],
      [
        changed(url, { username: 'nobody' }),
        new RegExp(`refuses user nobody with this password; .*createuser ${at} --pwprompt nobody$`, 'm'),
      ],
      [changed(url, { username: mute, password: SECRET }), new RegExp(`DATABASE_URL: role "${mute}" is not permitted`)],
      [
        changed(url, { pathname: '/nowhere' }),
        new RegExp(`there is no database nowhere; create it with: createdb ${at} nowhere$`, 'm'),
      ],
      [url, /^indexer: the database is not migrated yet; run `indexer migrate up`$/m],
    ];
    for (const [wrong, message] of expected) {
      const { code, err } = await runCommand(['status'], { DATABASE_URL: wrong });
      expect(code).toBe(1);
      expect(err).toMatch(message);
      expect(err).not.toContain(SECRET);
      expect(err).not.toContain(new URL(url).password);
    }
  });
});

test('endpoints and a queue that cannot be reached are named with their variables', async () => {
  const { url } = await database();
  const silent = await listen(() => undefined);
  const unauthorised = await serve(chainOf(1));
  unauthorised.misbehave({ do: { kind: 'http', status: 401, body: 'Must be authenticated!' } });
  const env = {
    DATABASE_URL: url,
    QUEUE_URL: `redis://someone:${SECRET}@127.0.0.1:1/0`,
    RPC_URL_1: `http://127.0.0.1:1/v2/${SECRET}`,
    RPC_URL_2: `ws://127.0.0.1:1/${SECRET}`,
    RPC_URL_3: `http://127.0.0.1:${silent.port}`,
    RPC_URL_4: `https://127.0.0.1:1/${SECRET},http://127.0.0.1:1`,
    RPC_URL_5: `${unauthorised.url}/${SECRET}`,
  };
  const [status, backfill] = await Promise.all([
    run(['status', '--json'], env),
    run(['backfill', '--from-block', '0', '--chain', '1'], env),
  ]);
  const { chains } = JSON.parse(status.out);
  const advice = 'nothing listens on 127.0.0.1:1; start the node there, or correct the URL';
  expect(chains.map(({ remoteError }: { remoteError: string }) => remoteError)).toEqual([
    `RPC_URL_1: ${advice}`,
    `RPC_URL_2: ${advice}`,
    'RPC_URL_3: no answer within 3 s; check host and port of the URL, and firewalls in between',
    expect.stringMatching(new RegExp(`^RPC_URL_4, endpoint [12]: ${advice}$`)),
    'RPC_URL_5: HTTP 401: Must be authenticated!; correct the key in the URL or the headers',
  ]);
  for (const { queueError } of chains)
    expect(queueError).toBe('QUEUE_URL: nothing listens on 127.0.0.1:1; start Redis there, or correct the URL');
  expect(backfill).toMatchObject({ code: 1, err: `indexer: RPC_URL_1: ${advice}\n` });
  const daemon = await Daemon.start(env);
  await until(
    '/ready to name the variable',
    async () => (await daemon.ready()).chains[1] === `failing: RPC_URL_1: ${advice}`,
  );
  expect(daemon.logLines('endpoints accepted')).toEqual([]);
  const outages = await until('the outage to be logged', () => {
    const lines = daemon.logLines('no endpoint answers', advice);
    return lines.length > 0 && lines;
  });
  expect(JSON.stringify(outages)).not.toContain('"stack"');
  expect(daemon.stderr).not.toContain(SECRET);
});

test('a port that is taken is named with its variable', async () => {
  const { url } = await database();
  const { port } = await listen(() => undefined);
  const env = { DATABASE_URL: url, RPC_URL_1: 'http://127.0.0.1:1', HTTP_PORT: String(port) };
  const { code, err } = await run(['start'], env);
  expect(code).toBe(1);
  expect(err).toContain(
    `indexer: HTTP_PORT: another program listens on 127.0.0.1:${port}; stop it, or choose another port`,
  );
});

const UUID = 'b54adc00-67f9-11d9-9669-0800200c9a66';
const NUMBER = /It must be a whole number\./;
/** Wrong arguments that are rejected without asking a database or a chain, each with the error message. */
const WRONG: readonly [string[], RegExp][] = [
  [
    ['backfill', '--from-block', '5', '--to-block', '3'],
    /the range is empty: it begins at block 5 and ends at block 3/,
  ],
  [['backfill'], /the first block is missing/],
  [['backfill', '--from-block', '-1'], NUMBER],
  [['backfill', '--from-block', 'five'], NUMBER],
  [['backfill', '--from-block', '1.5'], NUMBER],
  [['backfill', '--from-block', '0x10'], NUMBER],
  [['backfill', '--from-block', '9007199254740993'], NUMBER],
  [['backfill', '--from-block', '0', '--to-block', '2147483648'], /It must be below 2147483648/],
  [['backfill', '--from-block', '0', '--chain', '7'], /chain 7 is not configured: set RPC_URL_7/],
  [['backfill', '--from-block', '0', '--chain', '0'], /It must be at least 1/],
  [['backfill', '--from-block', '0', '--contract', '0x12'], /40 hexadecimal digits/],
  [['backfill', '--from-block', '0', '--concurrency', '0'], /It must be at least 1/],
  [['backfill', '--from-block', '0', '--detach', '--proved'], /--proved cannot be used with --detach/],
  [['backfill', 'cancel', '12'], /It must be a UUID/],
  [['contracts', 'add', 'nft', ADDRESS], /master, dividend, artist-token, pool/],
  [['contracts', 'add', 'master', '0xZZ'], /40 hexadecimal digits/],
  [['contracts', 'add', 'master', ADDRESS, '--from-block', '-3'], NUMBER],
  [['contracts', 'add', 'master', ADDRESS, '--from-block', '4294967296'], /It must be below 2147483648/],
  [['contracts', 'add', 'master', ADDRESS, '--master-id', '5'], /masterId must be a UUID/],
  [['contracts', 'add', 'master', ADDRESS, '--artist-id', UUID], /artistId does not go with master/],
  [['contracts', 'add', 'dividend', ADDRESS, '--master-contract', '0x5'], /masterContract must be an address/],
  [['contracts', 'add', 'pool', ADDRESS, '--type', 'curve'], /pools of type curve are not supported/],
  [['contracts', 'add', 'pool', ADDRESS, '--chain', '7'], /chain 7 is not configured: set RPC_URL_7/],
  [['contracts', 'upgrade', ADDRESS, '--abi-version', '77', '--from-block', '0'], /unknown ABI version 77/],
  [['contracts', 'remove', '0x12'], /40 hexadecimal digits/],
  [['unwind', '--to-block', '99999999999'], /It must be below 2147483648/],
  [['digest', '--table', 'nothing'], /no digest of nothing/],
  [['worker', '--concurrency', 'many'], NUMBER],
];

test('wrong usage exits 2 before anything is opened', async () => {
  const server = await listen(() => undefined);
  const host = `127.0.0.1:${server.port}`;
  const env = { DATABASE_URL: urlOf(host), QUEUE_URL: `redis://${host}`, RPC_URL_1: `http://${host}` };
  for (const [args, message] of WRONG) {
    const ran = await runCommand(args, env);
    expect({ args, code: ran.code, out: ran.out }).toEqual({ args, code: 2, out: '' });
    expect(ran.err).toMatch(message);
  }
  const ran = await run(['backfill', '--from-block', '5', '--to-block', '3'], env);
  expect(ran).toMatchObject({ code: 2, err: expect.stringContaining('the range is empty') });
  const several = await runCommand(['contracts', 'remove', ADDRESS], { ...env, RPC_URL_2: `http://${host}` });
  expect(several).toMatchObject({ code: 2, err: expect.stringContaining('name one: --chain 1 or --chain 2') });
  const imported = await runCommand(['contracts', 'import', '/nowhere/contracts.json'], env);
  expect(imported).toMatchObject({ code: 1, err: expect.stringContaining('cannot read /nowhere') });
  const unconfigured = await runCommand(['start', '--migrate'], { DATABASE_URL: env.DATABASE_URL });
  expect(unconfigured).toMatchObject({ code: 1, err: expect.stringContaining('RPC_URL_<chainId>: none is set') });
  expect(server.connections()).toBe(0);
});

test('status says whether a process follows the chain, which goes on after `unwind` without a new block', async () => {
  const { daemon, chain, env, run: start, settled } = await follow();
  const statusOf = async () => {
    const program = start('status');
    const json = start('status', '--json');
    await Promise.all([program.exited, json.exited]);
    return [/^chain \d+ \(Anvil\): (.*)$/m.exec(program.stdout)?.[1], JSON.parse(json.stdout).chains[0].status];
  };
  await settled();
  expect(await statusOf()).toEqual(['following', 'following']);
  const unwound = await runCommand(
    ['unwind', '--to-block', String(chain.head.number - 4)],
    env as Record<string, string>,
  );
  expect(unwound).toMatchObject({ code: 0, err: '' });
  await settled();
  expect(await daemon.stop()).toBe(0);
  expect(await statusOf()).toEqual(['not followed by any process; follow it with: indexer start', 'not followed']);
});
