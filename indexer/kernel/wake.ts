/**
 * Wakes whoever waits for news.
 *
 * A wake that comes while nobody waits is remembered until the next wait, so that a loop which looks, finds nothing and then waits
 * misses nothing. A wake that comes while several wait wakes all of them.
 */
export class Wake {
  #isPending = false;
  readonly #waiters = new Set<() => void>();

  /** Ends every wait, or the next one where nobody waits. */
  wake(): void {
    if (this.#waiters.size === 0) this.#isPending = true;
    for (const resume of [...this.#waiters]) resume();
  }

  /**
   * Resolves at the next wake, after `ms` milliseconds (never, where undefined) or when the signal aborts; never rejects.
   *
   * @returns whether it was a wake
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
