import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import type { ChainSettings } from '../../indexer/config/define.ts';
import { Program } from './program.ts';
import { HANG_TIMEOUT_MS, until } from './until.ts';

/** A daemon to start: its database, its chains and its settings. */
export type Following = {
  readonly databaseUrl: string;
  /** By chain id; the first of several is preferred. */
  readonly rpcUrls: Readonly<Record<number, string | readonly string[]>>;
  /** The settings of every chain. Heads are polled ten times a second unless they say otherwise. */
  readonly settings?: Omit<ChainSettings, 'rpcUrls'>;
};

/** The response of `/ready`. */
export type Ready = { readonly status: number; readonly chains: Readonly<Record<string, string>> };

const POLL_INTERVAL_MS = 100;

/** The real daemon in a process of its own. It is killed when the test ends. */
export class Daemon extends Program {
  #port: number | undefined;

  private constructor(following: Following) {
    super(['start', '--migrate', '--config', writeConfig(following)], { DATABASE_URL: following.databaseUrl });
  }

  /** Starts `indexer start --migrate` and waits until it serves HTTP. */
  static async start(following: Following): Promise<Daemon> {
    const daemon = new Daemon(following);
    daemon.#port = await until('the daemon to serve HTTP', () => {
      if (!daemon.isRunning) throw new Error(`it ended: ${daemon.log.map(({ msg }) => msg).join('\n')}`);
      return (daemon.said('daemon started')[0]?.http as { port: number } | undefined)?.port;
    });
    return daemon;
  }

  async ready(): Promise<Ready> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/ready`, {
      signal: AbortSignal.timeout(HANG_TIMEOUT_MS),
    });
    const { chains } = (await response.json()) as { chains: Record<string, string> };
    return { status: response.status, chains };
  }

  /** Returns its resident memory in MiB. */
  async memory(): Promise<number> {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(this.pid)]);
    return Number(stdout) / 1024;
  }
}

/** Runs a command of the program to its end, with the configuration of a daemon. */
export async function runProgram(
  args: readonly string[],
  following: Following,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const program = new Program([...args, '--config', writeConfig(following)], { DATABASE_URL: following.databaseUrl });
  const code = await program.exited;
  return { code, stdout: program.stdout, stderr: program.stderr };
}

/** Writes a configuration file, which is removed when the test ends, and returns its path. */
function writeConfig({ rpcUrls, settings }: Following): string {
  const directory = mkdtempSync(join(tmpdir(), 'indexer-config-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const chains = Object.fromEntries(
    Object.entries(rpcUrls).map(([chainId, urls]) => [
      chainId,
      { pollIntervalMs: POLL_INTERVAL_MS, ...settings, rpcUrls: [urls].flat() },
    ]),
  );
  const path = join(directory, 'config.mjs');
  writeFileSync(path, `export default ${JSON.stringify({ chains })};\n`);
  return path;
}
