import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import { HeadMoved } from '../kernel/errors.ts';

/** Keeps commits of consecutive ranges in flight, in the order in which they were begun. */
export class CommitPipeline {
  readonly #inFlight: Promise<void>[] = [];

  /**
   * Begins a commit. The returned promise resolves when the commit has ended, whether or not it succeeded.
   *
   * If the previous commit is delayed, this one may try to move the head before it, and fails. It is then retried after the previous one.
   */
  begin(write: () => Promise<void>): Promise<unknown> {
    const previous = this.#inFlight.at(-1);
    const commit = write().catch(async (error: unknown) => {
      const isEarly = error instanceof HeadMoved || sqlstateOf(error) === SQLSTATE.lockNotAvailable;
      if (previous === undefined || !isEarly) throw error;
      await previous;
      await write();
    });
    this.#inFlight.push(commit);
    return commit.catch(() => undefined);
  }

  /** Waits until no more than `count` commits are in flight. Throws the error of the oldest that failed. */
  async drainTo(count: number): Promise<void> {
    while (this.#inFlight.length > count) await this.#inFlight.shift();
  }

  /** Waits for all commits, whether or not they succeed. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#inFlight.splice(0));
  }
}
