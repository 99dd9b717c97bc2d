/**
 * Wakes loops that wait for new work.
 *
 * A call of `wake` while no loop waits is kept until the next `wait`. So a loop that finds no work and then waits cannot miss work
 * that arrived in between. A call of `wake` while several loops wait resumes all of them.
 */
export class Wake {
  #isPending = false;
  readonly #waiters = new Set<() => void>();

  /** Resumes every waiting loop. If none waits, the next `wait` returns at once. */
  wake(): void {
    if (this.#waiters.size === 0) this.#isPending = true;
    for (const resume of [...this.#waiters]) resume();
  }

  /**
   * Resolves at the next call of `wake`, after `ms` milliseconds (undefined: no limit), or when the signal aborts. Never rejects.
   *
   * @returns whether `wake` was called
   */
  async wait(ms?: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return false;
    if (this.#isPending) {
      this.#isPending = false;
      return true;
    }
    return new Promise((resolve) => {
      const end = (isWoken: boolean) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', stop);
        this.#waiters.delete(resume);
        resolve(isWoken);
      };
      const resume = () => end(true);
      const stop = () => end(false);
      const timer = ms === undefined ? undefined : setTimeout(stop, ms);
      signal?.addEventListener('abort', stop, { once: true });
      this.#waiters.add(resume);
    });
  }
}
