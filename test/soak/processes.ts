import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { watchOver } from '../kit/watchman.ts';

const run = promisify(execFile);

const RESTART_MS = 1_000;
const STOP_TIMEOUT_MS = 15_000;

/** A command of the program that is started again whenever it ends, as a supervisor does. */
export class SupervisedProcess {
  readonly name: string;
  starts = 0;
  /** Exits that nobody asked for. */
  readonly crashes: string[] = [];
  readonly #command: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  #isStopping = false;
  #wasToldToEnd = false;
  #running: Promise<void>;

  /**
   * Starts the command.
   *
   * @param command the path of the program and its arguments
   * @param directory the folder of the log file, which is named after the process
   */
  constructor(name: string, command: readonly string[], env: Readonly<Record<string, string>>, directory: string) {
    this.name = name;
    this.#command = command;
    this.#env = env;
    this.#log = createWriteStream(join(directory, `${name}.log`));
    this.#running = this.#run(directory);
  }

  /** Sends a signal. SIGKILL and SIGTERM make the process start again. */
  signal(signal: NodeJS.Signals): void {
    if (signal === 'SIGKILL' || signal === 'SIGTERM') this.#wasToldToEnd = true;
    this.#child?.kill(signal);
  }

  /** Stops the process without starting it again. Returns its exit code. */
  async stop(): Promise<number | null> {
    this.#isStopping = true;
    const child = this.#child;
    child?.kill('SIGCONT');
    child?.kill('SIGTERM');
    const ended = await Promise.race([this.#running.then(() => true), wait(STOP_TIMEOUT_MS, false)]);
    if (!ended) child?.kill('SIGKILL');
    await this.#running;
    return ended ? (child?.exitCode ?? null) : null;
  }

  /** Returns its resident memory in kilobytes. Undefined while it does not run. */
  async residentKilobytes(): Promise<number | undefined> {
    const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(this.#child?.pid)]).catch(() => ({ stdout: '' }));
    return Number(stdout) || undefined;
  }

  async #run(directory: string): Promise<void> {
    while (!this.#isStopping) {
      this.#wasToldToEnd = false;
      this.starts += 1;
      const env = { ...this.#env, HTTP_PORT: '0' };
      const child = spawn(process.execPath, [...this.#command], {
        cwd: directory,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      this.#child = child;
      for (const output of [child.stdout, child.stderr]) output.pipe(this.#log, { end: false });
      const unwatch = child.pid === undefined ? () => undefined : watchOver(child.pid, '');
      await once(child, 'close');
      unwatch();
      if (this.#wasToldToEnd || this.#isStopping) continue;
      this.crashes.push(`${this.name} ended by itself with ${child.signalCode ?? `code ${child.exitCode}`}`);
      await wait(RESTART_MS);
    }
  }
}
