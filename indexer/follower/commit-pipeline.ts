import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import { HeadMoved } from '../kernel/errors.ts';

/** Runs the commits of consecutive ranges at the same time, and remembers the order in which they began. */
export class CommitPipeline {
  readonly #inFlight: Promise<void>[] = [];

  /**
   * Begins a commit. The returned promise resolves when the commit has ended, whether or not it succeeded.
   *
   * If the previous commit is delayed, this commit may try to move the head first, and fails. It is then repeated after the previous one.
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

  /** Waits until at most `count` commits are in flight. Throws the error of the oldest commit that failed. */
  async drainTo(count: number): Promise<void> {
    while (this.#inFlight.length > count) await this.#inFlight.shift();
  }

  /** Waits for all commits, whether or not they succeed. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#inFlight.splice(0));
  }
}
