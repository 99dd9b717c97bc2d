import { fileURLToPath } from 'node:url';
import { runCommandLine } from './command-line.ts';
import { runDemo } from './demo.ts';

/** How long after the first signal the process ends by force. */
const STOP_DEADLINE_MS = 12_000;
/** A terminal and npm may each deliver the same Ctrl-C: signals this close together are one. */
const SAME_SIGNAL_MS = 500;
const PROGRAM = fileURLToPath(new URL('../indexer/bin.ts', import.meta.url));

/** Returns a signal that aborts on the first Ctrl-C; a second one ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let firstAt = 0;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        if (performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(1);
        return;
      }
      firstAt = performance.now();
      controller.abort();
      setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
    });
  }
  return controller.signal;
}

// The reader of the output may leave early (`npm run demo | head`), which is no failure.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const signal = stopSignal();
// Set, not called: what was written to a pipe still has to leave.
process.exitCode = await runCommandLine(process.argv.slice(2), {
  stderr: process.stderr,
  run: (options) => runDemo({ ...options, program: PROGRAM }, process.stdout, signal),
});
