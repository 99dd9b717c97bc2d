import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { inject, onTestFinished } from 'vitest';
import type { Settings } from '../../indexer/config/define.ts';
import { compileCacheOf } from './compile-cache.ts';
import { until } from './until.ts';

const LOG_LINES_KEPT = 20_000;
const PRINTED_LINES = 30;
const PRINTED_LINE_CHARS = 500;
const PINO_DEBUG = 20;

/**
 * Returns the folder where Node keeps the compiled code of the program that tests start. A process writes its code when it exits by
 * itself. A process that SIGKILL ends only reads the folder.
 */
export function compileCache(): string {
  return compileCacheOf(inject('program'));
}

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Environment variables of a program. Those that are undefined are not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** How a program is started, besides its arguments and its environment. */
export type ProgramOptions = {
  /** Settings to pass in a configuration file. */
  readonly settings?: Settings | undefined;
  /** The entry point, if it is not the one of this checkout. */
  readonly main?: string | undefined;
  /** The working directory, if it is not the one of the tests. */
  readonly cwd?: string | undefined;
};

/** A parsed line of the log. A line that is not JSON has level 0. */
export type LogLine = { readonly level: number; readonly msg: string; readonly [field: string]: unknown };

/** A command of the real program in its own process. The process is killed when the test ends. */
export class Program {
  stdout = '';
  stderr = '';
  /** The newest lines of standard error. */
  readonly log: LogLine[] = [];
  /** Resolves to the exit code, or to null if a signal ended the process. */
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(args: readonly string[], env: Environment, options: ProgramOptions = {}) {
    const { settings, main = inject('program'), cwd } = options;
    const config = settings === undefined ? [] : ['--config', writeConfig(settings)];
    const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const child = spawn(process.execPath, [main, ...args, ...config], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: compileCache(),
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

  /** Waits until a daemon or a worker serves HTTP, and returns its port. */
  async port(): Promise<number> {
    return until('the process to serve HTTP', () => {
      if (!this.isRunning) throw new Error(`it ended: ${this.log.map(({ msg }) => msg).join('\n')}`);
      const [started] = [...this.logLines('daemon started'), ...this.logLines('worker started')];
      return (started?.http as { port: number } | undefined)?.port;
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Sends SIGKILL and waits until the process has ended. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  /** Sends SIGTERM and returns the exit code, or null if a signal ended the process. */
  async stop(): Promise<number | null> {
    this.signal('SIGTERM');
    return this.exited;
  }

  /** Returns the resident memory in MiB; 0 if the process has ended. */
  async memory(): Promise<number> {
    // Linux reports it in a file. Elsewhere `ps` reports it.
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8').catch(() => undefined);
    if (status !== undefined) return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
    const ps = promisify(execFile)('ps', ['-o', 'rss=', '-p', String(this.#child.pid)]);
    const { stdout } = await ps.catch(() => ({ stdout: '0' }));
    return Number(stdout) / 1024;
  }

  /** Returns the log lines whose message begins with `message` and that contain `text`. */
  logLines(message: string, text = ''): LogLine[] {
    return this.log.filter(
      (line) => line.msg?.startsWith(message) && (text === '' || JSON.stringify(line).includes(text)),
    );
  }

  #read(line: string): void {
    if (this.log.length > LOG_LINES_KEPT) this.log.shift();
    this.log.push(parseLine(line));
  }

  /** Prints standard output and the end of the log, to help explain a failed test. */
  #printEnd(args: readonly string[]): void {
    const lines = this.log.filter(({ level }) => level !== PINO_DEBUG).slice(-PRINTED_LINES);
    const text = lines.map((line) => JSON.stringify(line).slice(0, PRINTED_LINE_CHARS)).join('\n');
    process.stderr.write(`--- indexer ${args.join(' ')}\n${this.stdout}${text}\n`);
  }
}

function parseLine(line: string): LogLine {
  try {
    if (line.startsWith('{')) return JSON.parse(line) as LogLine;
  } catch {
    // The program was killed while it wrote this line.
  }
  return { level: 0, msg: line };
}

/** Writes a configuration file and returns its path. The file is deleted when the test ends. */
function writeConfig(settings: Settings): string {
  const directory = mkdtempSync(join(tmpdir(), 'indexer-config-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'config.mjs');
  writeFileSync(path, `export default ${JSON.stringify(settings)};\n`);
  return path;
}
