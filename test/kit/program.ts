import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const MAIN = fileURLToPath(new URL('../../indexer/main.ts', import.meta.url));
const LOG_LINES_KEPT = 20_000;
/** What programs compile is kept for the next one, which then starts in three quarters of the time. */
const COMPILE_CACHE = join(tmpdir(), 'audifi-indexer-compile-cache');

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** The environment variables of a program. Those that are undefined are not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A line of the log, parsed. */
export type LogLine = { readonly level: number; readonly msg: string; readonly [field: string]: unknown };

/** The real program in a process of its own, running any of its commands. It is killed when the test ends. */
export class Program {
  stdout = '';
  /** The newest lines of its log. What is not JSON has level 0. */
  readonly log: LogLine[] = [];
  stderr = '';
  /** Resolves with its exit code; null if a signal ended it. */
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  /** @param main the entry point, if it is not that of this checkout */
  constructor(args: readonly string[], env: Environment, main = MAIN) {
    const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const child = spawn(process.execPath, [main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        LOG_LEVEL: 'debug',
        HTTP_PORT: '0',
        ...Object.fromEntries(defined),
      },
    });
    this.#child = child;
    child.stdout.on('data', (text) => (this.stdout += text));
    child.stderr.on('data', (text) => (this.stderr += text));
    createInterface({ input: child.stderr }).on('line', (line) => this.#read(line));
    this.exited = once(child, 'close').then(() => child.exitCode);
    children.add(child);
    onTestFinished(async ({ task }) => {
      if (task.result?.state === 'fail') this.#printEnd(args);
      await this.kill();
      children.delete(child);
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Kills it at once, and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  /** Asks it to stop. Returns its exit code, or null if a signal ended it. */
  async stop(): Promise<number | null> {
    this.signal('SIGTERM');
    return this.exited;
  }

  /** Returns the lines of its log whose message begins with `message` and that contain `text`. */
  said(message: string, text = ''): LogLine[] {
    return this.log.filter(
      (line) => line.msg?.startsWith(message) && (text === '' || JSON.stringify(line).includes(text)),
    );
  }

  #read(line: string): void {
    if (this.log.length > LOG_LINES_KEPT) this.log.shift();
    this.log.push(parseLine(line));
  }

  /** Prints the end of its output, to find out why a test failed. */
  #printEnd(args: readonly string[]): void {
    const lines = this.log.filter(({ level }) => level !== 20).slice(-30);
    const text = lines.map((line) => JSON.stringify(line).slice(0, 500)).join('\n');
    process.stderr.write(`--- indexer ${args.join(' ')}\n${this.stdout}${text}\n`);
  }
}

function parseLine(line: string): LogLine {
  try {
    if (line.startsWith('{')) return JSON.parse(line) as LogLine;
  } catch {
    // Half a line, where the program was killed.
  }
  return { level: 0, msg: line };
}
