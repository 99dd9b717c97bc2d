import { readFileSync } from 'node:fs';
import { buildProgram, runProgram } from './cli/program.ts';
import { secretsOfEnvironment } from './config/secrets.ts';
import type { Runtime } from './kernel/runtime.ts';
import { createRedact } from './observability/redact.ts';

/** How long after the first SIGINT or SIGTERM the process exits, whatever still runs. The program promises to end within 15 s. */
const STOP_DEADLINE_MS = 12_000;

/** How long a process may still write its output after a stop signal has ended its command. */
const FLUSH_MS = 1_000;

/** Signals this close together count as one, because a terminal and a parent process may both deliver the same Ctrl-C. */
const SAME_SIGNAL_MS = 500;

/** Returns a signal that aborts at the first SIGINT or SIGTERM. A second signal makes the process exit at once. */
function stopSignal({ now }: Runtime): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        if (now() - first > SAME_SIGNAL_MS) process.exit(1);
        return;
      }
      first = now();
      controller.abort();
      setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
    });
  }
  return controller.signal;
}

/** Reads the version of the package, which is one folder up from `indexer/` and two from `dist/indexer/`. */
function version(): string {
  const up = import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json';
  return JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')).version;
}

// The reader of the output may exit early (`indexer … | head`), which is not an error.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const runtime: Runtime = { now: () => performance.now(), random: Math.random };

const io = {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  redact: createRedact(secretsOfEnvironment(process.env)),
  signal: stopSignal(runtime),
  runtime,
};

const exitCode = await runProgram(buildProgram(io, version()), process.argv.slice(2), io);
// Not `process.exit`: output that was written to a pipe must be flushed first.
process.exitCode = exitCode;
// Sockets to a server that does not answer stay open and would keep the process alive.
if (io.signal.aborted) setTimeout(() => process.exit(), FLUSH_MS).unref();
