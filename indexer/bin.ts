#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { constants } from 'node:os';

/**
 * The bin of the package: starts `main` under a Node that can run it. A checkout on a machine with an older Node has a
 * newer one among its development dependencies, and hands over to that.
 */
const NODE_MAJOR_MIN = 24;
/**
 * Of the memory that a filling process takes, most is garbage that is not collected yet: as V8 chooses, half a gigabyte for
 * 80 MB in use. Collecting it sooner costs a tenth of the process's own CPU time (`docs/performance.md`).
 */
const MEMORY_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=100'];

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.exitCode = await runUnderNewerNode();
} else {
  takeMemoryFlags();
  dieWithLauncher();
  await import('./main.ts');
}

/** Resolves with the exit code that a shell would give. */
async function runUnderNewerNode(): Promise<number> {
  const node = installedNode();
  if (node === undefined) {
    process.stderr.write(`indexer: needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}\n`);
    return 1;
  }
  const child = spawn(node, [...MEMORY_FLAGS, ...process.argv.slice(1)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
}

/** V8 reads them when it starts, so the process becomes one that started with them, under the same process id. */
function takeMemoryFlags(): void {
  const has = MEMORY_FLAGS.every((flag) => process.execArgv.includes(flag));
  if (has || process.channel !== undefined || process.platform === 'win32') return;
  const { execPath, execArgv, argv } = process;
  process.execve?.(execPath, [execPath, ...MEMORY_FLAGS, ...execArgv, ...argv.slice(1)]);
}

function installedNode(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('node/bin/node');
  } catch {
    return undefined;
  }
}

/** A launcher that is killed takes its child along: the channel between them closes. */
function dieWithLauncher(): void {
  if (process.channel === undefined) return;
  process.channel.unref();
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}
