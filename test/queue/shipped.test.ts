import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, cp, lstat, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { readCompose, type Service } from '../kit/compose.ts';
import { BARE_ENVIRONMENT, buildImage, type Image, runCached } from '../kit/image.ts';
import { announceAll, busyBlocks } from '../kit/music.ts';
import { insertArtist } from '../kit/platform-rows.ts';
import { createEmptyDatabase } from '../kit/postgres.ts';
import { Program } from '../kit/program.ts';
import { hasRedis, redisServer } from '../kit/redis.ts';
import { busyChain, serve } from '../kit/scene.ts';
import { expectSettled, liveChainOf } from '../kit/settled.ts';
import { until } from '../kit/until.ts';

const ROOT = join(import.meta.dirname, '../..');
const BASE = 8_453;
/** The variables that the example of compose.yaml's `.env` asks for, each with a value. */
const SECRETS = Object.fromEntries(
  [...readFileSync(join(ROOT, 'config/deploy/compose.env.example'), 'utf8').matchAll(/^(\w+)=$/gm)].map(
    ([, name = '']) => [name, name.startsWith('RPC_URL_') ? 'http://node.example' : 'letters1'],
  ),
);
const DEPLOY = join(ROOT, 'config/deploy');
/** The paths that Kubernetes asks for, by command. */
const PROBED: Readonly<Record<string, readonly string[]>> = {
  start: ['/health', '/health', '/ready'],
  worker: ['/health', '/health'],
};

const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** The id of the user `node` in the base image. */
const NODE_USER = 1_000;
/** The maximum size of the program and its libraries in the image, in MB. */
const IMAGE_MAX_MB = 150;
/** How long a process may take to stop. */
const STOP_SECONDS = 15;
const NEWER_MIGRATION = `
  export const up = (db) => db.schema.createTable('newer').addColumn('id', 'integer').execute();
  export const down = (db) => db.schema.dropTable('newer').execute();
`;

let image: Image;

beforeAll(async () => {
  image = await buildImage();
});

afterAll(() => image?.remove());

/** Creates an empty database, which is dropped when the test ends. */
async function emptyDatabase(): Promise<{ readonly url: string; readonly db: pg.Pool }> {
  const { url, drop } = await createEmptyDatabase();
  const db = new pg.Pool({ connectionString: url, max: 4 });
  onTestFinished(async () => {
    await db.end();
    await drop();
  });
  return { url, db };
}

/** Creates a folder, which is deleted when the test ends. */
async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'indexer-shipped-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a command as on a machine that has nothing of this checkout. */
function run(cwd: string, command: string, args: readonly string[], env = {}): Promise<{ readonly stdout: string }> {
  return promisify(execFile)(command, args, { cwd, env: { ...BARE_ENVIRONMENT, ...env } });
}

const isAnswered = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;

test.skipIf(!(await hasRedis()))(
  'the services of compose.yaml run together from the image, and one daemon takes over from the other',
  async () => {
    const services = readCompose(SECRETS);
    const { url, db } = await emptyDatabase();
    const chain = busyChain(400, 350, BASE);
    const server = await serve(chain);
    const { command: [redisCommand, ...redisFlags] = [] } = services.redis as Service;
    expect(redisCommand).toBe('redis-server');
    const redis = await redisServer(...redisFlags);
    const places: Readonly<Record<string, string>> = { postgres: url, redis: redis.url, 'node.example': server.url };
    /** Replaces the URL of a service in compose.yaml by the URL of that service in this test. Returns other values unchanged. */
    const here = (value: string) => (URL.canParse(value) ? (places[new URL(value).hostname] ?? value) : value);
    /** Starts the program as in a container of a service. */
    const start = (name: string) => {
      const { command = image.command, environment = {} } = services[name] as Service;
      const args = command.map((argument) => (argument === image.env.HTTP_PORT ? '0' : argument));
      const given = Object.entries(environment).map(([variable, value]) => [variable, here(value)]);
      const env = { ...image.env, ...Object.fromEntries(given), HTTP_PORT: '0' };
      return new Program(args, env, { main: join(image.folder, image.entrypoint[1] ?? ''), cwd: image.folder });
    };

    for (const [name, { depends_on = {} }] of Object.entries(services))
      for (const needed of Object.keys(depends_on)) expect(services, `${name} depends on it`).toHaveProperty(needed);
    const { environment: { DATABASE_URL = '' } = {} } = services.daemon as Service;
    const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = services.postgres?.environment ?? {};
    expect(DATABASE_URL).toBe(`postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@postgres:5432/${POSTGRES_DB}`);

    expect(await start('migrate').exited).toBe(0);
    await announceAll(db, await insertArtist(db), chain);
    const daemons = [start('daemon'), start('standby')] as const;
    const workers = Array.from({ length: services.worker?.deploy?.replicas ?? 1 }, () => start('worker'));
    await expectSettled(db, liveChainOf(chain));
    const keys = await redis.run((client) => client.keys('{indexer-*}:*'));
    expect(keys).not.toEqual([]);
    expect(await redis.run((client) => client.config('GET', 'maxmemory-policy'))).toContain('noeviction');

    for (const daemon of daemons) {
      const port = await daemon.port();
      expect(await isHealthy(port)).toBe(true);
      for (const path of ['/', '/health', '/ready', '/status', '/queues', '/metrics'])
        expect(await isAnswered(port, path), path).toBe(200);
    }
    for (const worker of workers) {
      const port = await worker.port();
      expect(await isHealthy(port)).toBe(true);
      expect(await isAnswered(port, '/metrics')).toBe(200);
    }
    // On a slow machine the lead may change meanwhile.
    const [leader, standby] = await until('one daemon to lead and the other to stand by', async () => {
      const states = await Promise.all(daemons.map(stateOf));
      if (states.join() === 'following,standing by') return daemons;
      return states.join() === 'standing by,following' && ([daemons[1], daemons[0]] as const);
    });
    const port = await leader.port();
    await leader.kill();
    expect(await isHealthy(port)).toBe(false);
    chain.append(...busyBlocks(5)(20));
    await expectSettled(db, liveChainOf(chain));
    expect(workers.length).toBe(2);
    for (const program of [standby, ...workers]) {
      expect(program.isRunning).toBe(true);
      program.signal(image.stopSignal as NodeJS.Signals);
      expect(await program.exited).toBe(0);
    }
  },
);

/** Returns the state of the chain in the `/ready` of a daemon. */
async function stateOf(daemon: Program): Promise<string | undefined> {
  const response = await fetch(`http://127.0.0.1:${await daemon.port()}/ready`);
  return ((await response.json()) as { chains: Record<string, string> }).chains[BASE];
}

/** Runs the health check of the image. */
async function isHealthy(port: number): Promise<boolean> {
  const [command = '', ...args] = image.healthCheck;
  const env = { ...BARE_ENVIRONMENT, ...image.env, HTTP_PORT: String(port) };
  return promisify(execFile)(command, args, { env, cwd: image.folder }).then(
    () => true,
    () => false,
  );
}

test('the image runs without root, without development packages, and on the ports that compose.yaml publishes', async () => {
  const services = readCompose(SECRETS);
  expect(image.user).toBe('node');
  expect(image.entrypoint[0]).toBe('node');
  expect(image.ports).toEqual([image.env.HTTP_PORT]);
  expect(services.daemon?.ports).toEqual([`127.0.0.1:8080:${image.env.HTTP_PORT}`]);
  // Otherwise the health check of the image would fail.
  expect(services.worker?.command).toEqual(['worker', '--http-port', image.env.HTTP_PORT]);
  const { scrape_configs: scraped } = parse(readFileSync(join(DEPLOY, 'prometheus.yaml'), 'utf8'));
  const targets = [...scraped[0].static_configs[0].targets].map((target: string) => target.split(':'));
  const [{ names, port }] = scraped[1].dns_sd_configs;
  for (const [service, scrapedPort] of [...targets, [...names, String(port)]]) {
    expect(services).toHaveProperty(service);
    expect(scrapedPort).toBe(image.env.HTTP_PORT);
  }
  const installed = await readdir(join(image.folder, 'node_modules'));
  const files = await readdir(image.folder, { recursive: true });
  const sizes = await Promise.all(files.map(async (file) => (await lstat(join(image.folder, file))).size));
  expect(sizes.reduce((sum, size) => sum + size, 0) / 1e6).toBeLessThan(IMAGE_MAX_MB);
  expect(installed).toContain('viem');
  expect(['typescript', 'vitest', 'rolldown', 'solc'].filter((name) => installed.includes(name))).toEqual([]);
});

test('the examples for Kubernetes and systemd name commands, paths, ports and times that the image has', async () => {
  const help = await run(image.folder, 'node', [...image.entrypoint.slice(1), '--help']);
  const commands = [...help.stdout.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name);
  expect(commands).toContain('start');
  const documents = parseAllDocuments(readFileSync(join(DEPLOY, 'kubernetes.yaml'), 'utf8')).map((each) => each.toJS());
  const pods = documents.filter(({ kind }) => kind === 'Deployment').map(({ spec }) => spec.template.spec);
  expect(pods.map(({ containers }) => containers[0].args)).toEqual([
    ['start'],
    ['worker', '--http-port', image.env.HTTP_PORT],
  ]);
  for (const { containers, initContainers = [], ...pod } of pods) {
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(STOP_SECONDS);
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: NODE_USER });
    for (const { args, ports = [], image: name, ...container } of [...containers, ...initContainers]) {
      expect(commands).toContain(args[0]);
      expect(name).toBe(`${PACKAGE.name}:${PACKAGE.version}`);
      for (const { containerPort } of ports) expect(String(containerPort)).toBe(image.env.HTTP_PORT);
      const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
      const paths = probes.flatMap((probe) => probe?.httpGet.path ?? []);
      expect(paths).toEqual(PROBED[args[0]] ?? []);
    }
  }
  const unit = readFileSync(join(DEPLOY, 'indexer.service'), 'utf8');
  expect(commands).toContain(/^ExecStart=\/usr\/bin\/env indexer (\w+)/m.exec(unit)?.[1]);
  expect(Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)?.[1])).toBeGreaterThan(STOP_SECONDS);
  for (const { stop_grace_period } of [readCompose(SECRETS).daemon, readCompose(SECRETS).worker] as Service[])
    expect(Number(stop_grace_period?.replace(/s$/, ''))).toBeGreaterThan(STOP_SECONDS);
});

test('an upgrade and its rollback go as docs/operations.md says', async () => {
  const newer = await temporaryFolder();
  await cp(join(image.folder, 'dist'), join(newer, 'dist'), { recursive: true });
  await copyFile(join(image.folder, 'package.json'), join(newer, 'package.json'));
  await symlink(join(image.folder, 'node_modules'), join(newer, 'node_modules'));
  await writeFile(join(newer, 'dist/migrations/9999_newer.js'), NEWER_MIGRATION);
  const { url, db } = await emptyDatabase();
  const chain = busyChain();
  const env = { DATABASE_URL: url, [`RPC_URL_${chain.chainId}`]: (await serve(chain)).url };
  const start = (cwd: string, ...args: string[]) =>
    new Program(args, env, { main: join(cwd, 'dist/indexer/bin.js'), cwd });
  const migrate = (cwd: string, ...args: string[]) =>
    run(cwd, 'node', ['dist/indexer/bin.js', 'migrate', ...args], env);

  const running = start(image.folder, 'start', '--migrate');
  const port = await running.port();
  await announceAll(db, await insertArtist(db), chain);
  await until('the daemon to be ready', async () => (await isAnswered(port, '/ready')) === 200);
  expect((await migrate(newer)).stdout).toBe('applied 9999_newer\n');
  await until('the daemon to say that its program is too old', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/ready`);
    return response.status === 503 && (await response.text()).includes('newer than this program');
  });
  const refused = start(image.folder, 'worker');
  expect(await refused.exited).toBe(1);
  expect(refused.stderr).toContain('newer than this program');
  await expect(migrate(image.folder, 'down', '--steps', '1')).rejects.toThrow('newer than this program');
  expect(await running.stop()).toBe(0);

  expect((await migrate(newer, 'down', '--steps', '1')).stdout).toBe('reverted 9999_newer\n');
  const again = start(image.folder, 'start');
  chain.append(...busyBlocks(9)(3));
  await expectSettled(db, liveChainOf(chain));
  expect(await again.stop()).toBe(0);
});

test('the package works when it is installed alone in an empty folder, without development packages', async () => {
  const folder = await temporaryFolder();
  for (const file of ['README.md', 'LICENSE']) await copyFile(join(ROOT, file), join(image.buildFolder, file));
  await run(image.buildFolder, 'npm', ['pack', '--ignore-scripts', '--pack-destination', folder]);
  const [packed = ''] = await readdir(folder);
  await run(folder, 'npm', ['init', '--yes']);
  await runCached('npm', ['install', '--omit=dev', `./${packed}`], folder);
  expect(await readdir(join(folder, 'node_modules'))).not.toContain('drizzle-orm');

  expect((await run(folder, 'npx', ['indexer', '--help'])).stdout).toContain('indexer [options] [command]');
  const { url, db } = await emptyDatabase();
  const chain = busyChain();
  const server = await serve(chain);
  const env = { DATABASE_URL: url, [`RPC_URL_${chain.chainId}`]: server.url };
  await run(folder, 'npx', ['indexer', 'migrate'], env);
  await announceAll(db, await insertArtist(db), chain);
  const main = join(folder, 'node_modules/audifi-indexer/dist/indexer/bin.js');
  const daemon = new Program(['start'], env, { main, cwd: folder });
  const port = await daemon.port();
  for (const path of ['/', '/status', '/queues', '/metrics', '/ready'])
    await until(`an answer of ${path}`, async () => (await isAnswered(port, path)) === 200);
  await expectSettled(db, liveChainOf(chain));
  expect(await daemon.stop()).toBe(0);
});
