import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import type { ChainSettings } from '../../indexer/config/define.ts';
import { HANG_TIMEOUT_MS, until } from './until.ts';

export type Following = {
  readonly databaseUrl: string;
  /** By chain id; the first of several is preferred. */
  readonly rpcUrls: Readonly<Record<number, string | readonly string[]>>;
  /** What the configuration file says of a chain; heads are polled ten times a second unless it says otherwise. */
  readonly settings?: Omit<ChainSettings, 'rpcUrls'>;
};

export type LogLine = { readonly level: number; readonly msg: string; readonly [field: string]: unknown };

/** What `/ready` says. */
export type Ready = { readonly status: number; readonly chains: Readonly<Record<string, string>> };

const execute = promisify(execFile);

const MAIN = fileURLToPath(new URL('../../indexer/main.ts', import.meta.url));
const LOG_LINES_KEPT = 20_000;
const POLL_INTERVAL_MS = 100;

/** The real daemon in a process of its own. It dies with the test. */
export class Daemon {
  /** Every line of its log so far. */
  readonly log: LogLine[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #port: number | undefined;
  #closed = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'close').then(() => {
      this.#closed = true;
    });
    createInterface({ input: child.stderr! }).on('line', (line) => this.#hear(line));
  }

  /** Starts `indexer start --migrate` and waits until it serves HTTP. */
  static async start(following: Following): Promise<Daemon> {
    const config = await configFile(following);
    const child = spawn(process.execPath, [MAIN, 'start', '--migrate', '--config', config.path], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, LOG_LEVEL: 'debug', HTTP_PORT: '0', DATABASE_URL: following.databaseUrl },
    });
    const daemon = new Daemon(child);
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    onTestFinished(async ({ task }) => {
      if (task.result?.state === 'fail') daemon.#tell();
      process.off('exit', kill);
      await daemon.kill();
      await config.remove();
    });
    await until('the daemon to serve HTTP', () => daemon.#port ?? daemon.#failIfExited());
    return daemon;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Lines of the log whose message begins so. */
  said(message: string): LogLine[] {
    return this.log.filter(({ msg }) => msg?.startsWith(message));
  }

  async ready(): Promise<Ready> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/ready`, {
      signal: AbortSignal.timeout(HANG_TIMEOUT_MS),
    });
    const { chains } = (await response.json()) as { chains: Record<string, string> };
    return { status: response.status, chains };
  }

  /** Resident memory in MiB. */
  async memory(): Promise<number> {
    const { stdout } = await execute('ps', ['-o', 'rss=', '-p', String(this.pid)]);
    return Number(stdout) / 1024;
  }

  /** Ends it without a word, wherever it stands. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Asks it to stop, and returns its exit code once it has (null where a signal ended it). */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    await this.#exited;
    return this.#child.exitCode;
  }

  #hear(line: string): void {
    if (this.log.length > LOG_LINES_KEPT) this.log.shift();
    const parsed = line.startsWith('{') ? (JSON.parse(line) as LogLine) : { level: 0, msg: line };
    this.log.push(parsed);
    if (parsed.msg === 'started') this.#port = (parsed.http as { port: number }).port;
  }

  #failIfExited(): undefined {
    if (this.#closed) throw new Error(`it ended: ${this.log.map(({ msg }) => msg).join('\n')}`);
  }

  /** The end of its log, for whoever has to find out why a test failed. */
  #tell(): void {
    const lines = this.log.filter(({ level }) => level !== 20).slice(-30);
    const text = lines
      .map(({ level, time, err, ...rest }) => `${level} ${JSON.stringify(rest)} ${brief(err)}`)
      .join('\n');
    process.stderr.write(`--- the daemon's log\n${text}\n`);
  }
}

function brief(error: unknown): string {
  return error === undefined ? '' : String((error as { stack?: string }).stack ?? '').slice(0, 300);
}

/** Runs a command of the indexer to its end. */
export async function runCommand(
  args: readonly string[],
  following: Following,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const config = await configFile(following);
  try {
    const child = spawn(process.execPath, [MAIN, ...args, '--config', config.path], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, DATABASE_URL: following.databaseUrl },
    });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) child[stream].on('data', (data) => (said[stream] += data));
    await once(child, 'close');
    return { code: child.exitCode, ...said };
  } finally {
    await config.remove();
  }
}

async function configFile({ rpcUrls, settings }: Following): Promise<{ path: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'indexer-config-'));
  const chains = Object.fromEntries(
    Object.entries(rpcUrls).map(([chainId, urls]) => [
      chainId,
      { pollIntervalMs: POLL_INTERVAL_MS, ...settings, rpcUrls: [urls].flat() },
    ]),
  );
  const path = join(directory, 'config.mjs');
  await writeFile(path, `export default ${JSON.stringify({ chains })};\n`);
  return { path, remove: () => rm(directory, { recursive: true, force: true }) };
}
