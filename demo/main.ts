import { fileURLToPath } from 'node:url';
import { runCommandLine } from './command-line.ts';
import { runDemo } from './demo.ts';

/** How long after the first signal the process exits by force. */
const STOP_DEADLINE_MS = 12_000;
/** Signals this close together count as one, because a terminal and npm may both deliver the same Ctrl-C. */
const SAME_SIGNAL_MS = 500;
const PROGRAM = fileURLToPath(new URL('../indexer/bin.ts', import.meta.url));

/** Returns a signal that aborts on the first Ctrl-C. A second Ctrl-C exits at once. */
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

// The reader of the output may close it early (`npm run demo | head`), which is not a failure.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const signal = stopSignal();
// Not `process.exit`, so that output in a pipe is still flushed.
process.exitCode = await runCommandLine(process.argv.slice(2), {
  stderr: process.stderr,
  run: (options) => runDemo({ ...options, program: PROGRAM }, process.stdout, signal),
});
