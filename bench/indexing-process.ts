import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Usage, watchUsage } from './usage.ts';

const LINE_CHARS = 500;
/** One that does not end by itself is given up. */
const DEADLINE_MS = 20 * 60_000;

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = 'dist/indexer/bin.js';

/** Builds the program, so that what is measured is what is installed: Node's type stripping takes time and 100 MB. */
export async function buildProgram(): Promise<void> {
  const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace('package.json', 'bin/tsc');
  const child = spawn(process.execPath, [tsc, '-p', 'config/tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error('the program does not build');
}

/** The program under measurement, in a process of its own. */
export type IndexingProcess = {
  /** Resolves with what it took once it ended by itself; rejects where it failed. */
  finished(): Promise<Usage>;
  /** Asks it to stop, and resolves with what it took. */
  stop(): Promise<Usage>;
};

/**
 * Starts the program under this Node.
 *
 * @param flags of Node, such as `--cpu-prof`
 */
export function startIndexing(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): IndexingProcess {
  const child = spawn(process.execPath, [...flags, BIN, ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // Progress is one line of JSON a second, which nobody reads here; what went wrong is worth seeing.
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.startsWith('{"progress"')) process.stderr.write(`${line.slice(0, LINE_CHARS)}\n`);
  });
  const exited = once(child, 'exit');
  const usage = watchUsage(child.pid ?? 0);
  const deadline = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  const end = async () => {
    const [code, signal] = await exited;
    clearTimeout(deadline);
    const used = usage.stop();
    if (code !== 0) throw new Error(`indexer ${args[0]} ended with ${code ?? signal}`);
    return used;
  };
  return {
    finished: end,
    stop() {
      child.kill('SIGTERM');
      return end();
    },
  };
}
