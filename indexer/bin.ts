#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { constants } from 'node:os';

/**
 * The bin of the package: starts `main` under a Node that can run it. A checkout on a machine with an older Node has a
 * newer one among its development dependencies, and hands over to that.
 */
const NODE_MAJOR_MIN = 24;

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.exitCode = await runUnderNewerNode();
} else {
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
  const child = spawn(node, process.argv.slice(1), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
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
