import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { inject, onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';
import { serverIdentity } from './postgres-server.ts';
import { until } from './until.ts';

/** Debian installs PgBouncer in a folder that only root's `PATH` contains. */
const PATH = `${process.env.PATH}:/usr/sbin`;
/** Kills the pooler when standard input ends: on request, or when the parent process has died, even by SIGKILL. */
const SUPERVISOR = 'pgbouncer -q "$1" </dev/null & read -r order; kill -KILL $!';

/**
 * Returns whether PgBouncer is installed.
 *
 * @throws if it is not installed and `CI=true`, where every test must run
 */
export async function hasPgBouncer(): Promise<boolean> {
  const found = await promisify(execFile)('pgbouncer', ['--version'], { env: { PATH } }).then(
    () => true,
    () => false,
  );
  if (!found && process.env.CI === 'true') throw new Error('pgbouncer is not installed');
  return found;
}

/**
 * Starts PgBouncer in transaction mode in front of the run's PostgreSQL, until the test ends. Returns a function that takes the URL of a
 * database and returns the URL that leads through PgBouncer.
 *
 * @param settings further lines of its configuration
 */
export async function transactionPooler(...settings: readonly string[]): Promise<(url: string) => string> {
  const server = new URL(inject('postgresUrl'));
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), 'indexer-pgbouncer-'));
  const file = join(directory, 'pgbouncer.ini');
  const target = `host=${server.hostname} port=${server.port} user=${server.username} password=${server.password}`;
  const lines = ['listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =', 'auth_type = any'];
  const configuration = [
    '[databases]',
    `* = ${target}`,
    '[pgbouncer]',
    ...lines,
    'pool_mode = transaction',
    ...settings,
  ];
  await writeFile(file, `${configuration.join('\n')}\n`);
  const identity = await serverIdentity();
  if (identity.uid !== undefined && identity.gid !== undefined) await chown(directory, identity.uid, identity.gid);
  const child = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', file], {
    ...identity,
    cwd: directory,
    env: { PATH },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  onTestFinished(async () => {
    child.stdin.end();
    if (child.exitCode === null) await once(child, 'exit');
    await rm(directory, { recursive: true, force: true });
  });
  const pooled = (url: string) => Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(port) }).href;
  await until('PgBouncer to answer', async () => {
    const client = new pg.Client({ connectionString: pooled(server.href) });
    client.on('error', () => undefined);
    await client.connect();
    await client.end();
    return true;
  });
  return pooled;
}
