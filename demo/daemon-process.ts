import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../indexer/config/define.ts';
import { IndexerError } from '../indexer/kernel/errors.ts';
import { sleep } from '../indexer/kernel/sleep.ts';
import { watchOver } from '../test/kit/watchman.ts';

/** The real daemon in its own process. */
export type DaemonProcess = {
  readonly pid: number;
  /** Aborts, with an error that quotes the log, when the daemon ends unexpectedly. */
  readonly ended: AbortSignal;
  /** Waits until the daemon serves HTTP, and returns the address of its status page. Throws the reason of the signal if it aborts. */
  pageUrl(signal: AbortSignal): Promise<string>;
  /** Makes `stop` keep the log, and returns its path. */
  keepLog(): string;
  /** Returns an error about the daemon that quotes its log, and keeps the log. */
  failure(what: string): Promise<IndexerError>;
  /** Stops the daemon and removes its files. Safe to repeat. */
  stop(): Promise<void>;
};

const STOP_TIMEOUT_MS = 8_000;
const LOG_LINES_QUOTED = 12;
const CHECK_INTERVAL_MS = 100;
const STARTED_PORT = /"http":\{[^}]*"port":(\d+)[^\n]*"daemon started"/;

/**
 * Runs `indexer start --migrate` with exactly these settings. Neither the caller's environment nor its configuration reaches the
 * daemon, so it cannot follow another chain or write to another database. It is killed when this process dies.
 *
 * @param program - path of the executable
 */
export async function startDaemon(program: string, settings: Settings): Promise<DaemonProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'indexer-demo-'));
  const [config, logFile] = [join(directory, 'config.mjs'), join(directory, 'daemon.log')];
  await writeFile(config, `export default ${JSON.stringify(settings)};\n`, { mode: 0o600 });
  const log = await open(logFile, 'a');
  const child = spawn(process.execPath, [program, 'start', '--migrate', '--config', config], {
    cwd: directory,
    env: {},
    stdio: ['ignore', log.fd, log.fd],
    // In its own session, so that Ctrl-C on the terminal reaches only this process.
    detached: true,
  });
  const exited = once(child, 'exit').catch(() => undefined);
  await log.close();
  const unwatch = child.pid === undefined ? () => undefined : watchOver(child.pid, directory);
  const ended = new AbortController();
  let [stopping, keeping] = [false, false];
  const keepLog = (): string => {
    keeping = true;
    return logFile;
  };
  const failure = async (what: string): Promise<IndexerError> =>
    new IndexerError(`the indexer ${what}; ${await tailOf(keepLog())}`);
  void exited.then(async () => {
    if (!stopping) ended.abort(await failure(`ended with ${child.signalCode ?? `code ${child.exitCode}`}`));
  });
  return {
    pid: child.pid ?? -1,
    ended: ended.signal,
    pageUrl: (signal) => pageUrlIn(logFile, signal),
    keepLog,
    failure,
    async stop() {
      stopping = true;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
      unwatch();
      if (!keeping) await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Waits for the line of the log that names the port, which the operating system chose. */
async function pageUrlIn(logFile: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    const port = STARTED_PORT.exec(await readFile(logFile, 'utf8'))?.[1];
    if (port !== undefined) return `http://127.0.0.1:${port}/`;
    await sleep(CHECK_INTERVAL_MS, signal);
    signal.throwIfAborted();
  }
}

async function tailOf(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return [`its log (${logFile}) ends with`, ...text.trim().split('\n').slice(-LOG_LINES_QUOTED)].join('\n');
}
