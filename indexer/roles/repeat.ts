import { messageOf } from '../kernel/errors.ts';
import { Wake } from '../kernel/wake.ts';
import type { Logger } from '../observability/log.ts';

/** A task that runs at an interval, and at once when woken. */
type Periodic = {
  /** Names the task in the log. */
  readonly task: string;
  readonly chain?: number;
  readonly intervalMs: number;
  readonly wake?: Wake;
};

/** Runs `work` at an interval until the signal aborts. A failure is logged, and the next turn tries again. */
export async function repeat(
  { task, chain, intervalMs, wake = new Wake() }: Periodic,
  log: Logger,
  work: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await work().catch((error: unknown) => {
      if (!signal.aborted) log.warn({ task, chain, reason: messageOf(error), err: error }, 'periodic task failed');
    });
    await wake.wait(intervalMs, signal);
  }
}
