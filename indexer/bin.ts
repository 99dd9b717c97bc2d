#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { constants } from 'node:os';

/**
 * The oldest supported major version of Node. If an older Node starts the program in a checkout, the Node among the development
 * dependencies runs it instead.
 */
const NODE_MAJOR_MIN = 24;
/**
 * Makes V8 collect garbage sooner. By default a backfill with 80 MB in use grows to half a gigabyte; collecting sooner costs a
 * tenth of the process's CPU time (`docs/performance.md`).
 */
const MEMORY_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=100'];
/** The commands that may use much memory. For the others, a restart with memory flags would only cost time. */
const LARGE_COMMANDS = ['start', 'worker', 'backfill', 'verify'];

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.exitCode = await runUnderNewerNode();
} else {
  restartWithMemoryFlags();
  exitWithLauncher();
  await import('./main.ts');
}

/** Runs the program under the Node in `node_modules`. Returns the exit code that a shell would return. */
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

/**
 * If the command may use much memory, replaces the process with one that has the memory flags, under the same process id: V8 reads
 * them only when it starts.
 */
function restartWithMemoryFlags(): void {
  const isLarge = process.argv.slice(2).some((argument) => LARGE_COMMANDS.includes(argument));
  const has = MEMORY_FLAGS.every((flag) => process.execArgv.includes(flag));
  if (!isLarge || has || process.channel !== undefined || process.platform === 'win32') return;
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

/** Makes this process exit when its launcher (`runUnderNewerNode`) is killed, which closes the IPC channel between them. */
function exitWithLauncher(): void {
  if (process.channel === undefined) return;
  process.channel.unref();
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}
