import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ChainSettings } from '../indexer/config/define.ts';
import { cpuOf, type Usage, watchUsage } from './usage.ts';
import { CHAIN_ID } from './world.ts';

const LINE_CHARS = 500;
/** A process that runs longer is killed. */
const DEADLINE_MS = 60 * 60_000;

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = 'dist/indexer/bin.js';

/** Builds the program, so that the installed form is measured: Node's type stripping takes time and 100 MB. */
export async function buildProgram(): Promise<void> {
  const child = spawn('npm', ['run', 'build'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error('the build of the program failed');
}

/** The measured program in a process of its own. */
export type IndexingProcess = {
  /** Waits until the process exits. Returns its usage; throws if it failed. */
  finished(): Promise<Usage>;
  /** Returns the CPU time of the process so far, in milliseconds. */
  cpuMs(): Promise<number>;
  /** Asks the process to stop and waits until it exits. Returns its usage; throws if it failed. */
  stop(): Promise<Usage>;
};

/**
 * Starts the program under this Node.
 *
 * @param flags - flags of Node, such as `--cpu-prof`
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
  // Passes messages on, except the progress that is printed every second.
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.startsWith('{"progress"')) process.stderr.write(`${line.slice(0, LINE_CHARS)}\n`);
  });
  const exited = once(child, 'exit');
  const watch = watchUsage(child.pid ?? 0);
  const deadline = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  const waitForExit = async () => {
    const [code, signal] = await exited;
    clearTimeout(deadline);
    const used = watch.stop();
    if (code !== 0) throw new Error(`indexer ${args[0]} exited with ${code ?? signal}`);
    return used;
  };
  return {
    finished: waitForExit,
    cpuMs: () => cpuOf(child.pid ?? 0),
    stop() {
      child.kill('SIGTERM');
      return waitForExit();
    },
  };
}

/** Runs some work with a configuration file that has these settings of the chain. */
export async function withSettings<T>(settings: ChainSettings, work: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'indexer-bench-'));
  try {
    const file = join(folder, 'config.mjs');
    await writeFile(file, `export default ${JSON.stringify({ chains: { [CHAIN_ID]: settings } })};\n`);
    return await work(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
