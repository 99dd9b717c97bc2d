import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const MAIN = fileURLToPath(new URL('../../indexer/main.ts', import.meta.url));

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** What a program may know of the world. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The real program in a process of its own, running any of its commands. It dies with the test. */
export class Program {
  stdout = '';
  stderr = '';
  /** Resolves with its exit code; null where a signal ended it. */
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  /** @param main runs another copy of the program */
  constructor(args: readonly string[], env: Environment, main = MAIN) {
    const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const child = spawn(process.execPath, [main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, LOG_LEVEL: 'debug', HTTP_PORT: '0', ...Object.fromEntries(defined) },
    });
    this.#child = child;
    child.stdout?.on('data', (text) => (this.stdout += text));
    child.stderr?.on('data', (text) => (this.stderr += text));
    this.exited = once(child, 'close').then(() => child.exitCode);
    children.add(child);
    onTestFinished(async ({ task }) => {
      if (task.result?.state === 'fail') this.#tell(args);
      child.kill('SIGKILL');
      await this.exited;
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

  /** Returns how many lines of its log have a message that begins so, and hold a text besides. */
  said(message: string, text = ''): number {
    const lines = this.stderr.split('\n');
    return lines.filter((line) => line.includes(`"msg":"${message}`) && line.includes(text)).length;
  }

  #tell(args: readonly string[]): void {
    const lines = this.stderr.split('\n').filter((line) => !line.startsWith('{"level":20'));
    const end = lines.slice(-25).map((line) => line.slice(0, 500));
    process.stderr.write(`--- indexer ${args.join(' ')}\n${this.stdout}${end.join('\n')}\n`);
  }
}
