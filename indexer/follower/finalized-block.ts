import type { BlockHeader } from '../kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../kernel/errors.ts';
import type { ChainState } from '../progress/chains.ts';
import type { Source } from '../source/source.ts';

/** The finalized block is read at most this often. */
const READ_INTERVAL_MS = 2_000;

/**
 * Reads the number of a chain's finalized block and caches it for a short time. The number never decreases. While the `finalized` tag
 * cannot be read, its last known value is used.
 */
export class FinalizedBlock {
  readonly #source: Source;
  readonly #confirmations: number;
  readonly #now: () => number;
  #latest: { readonly block: number; readonly readAt: number } | undefined;
  #tagged: number | undefined;

  /** @param confirmations the number of blocks from the finalized block to the head, if no endpoint serves the `finalized` tag */
  constructor(source: Source, confirmations: number, now: () => number) {
    this.#source = source;
    this.#confirmations = confirmations;
    this.#now = now;
  }

  /** Returns the number of the newest finalized block, which is never lower than the one in the database. */
  async read(remote: BlockHeader, local: ChainState, signal: AbortSignal): Promise<number> {
    const now = this.#now();
    if (this.#latest === undefined || now - this.#latest.readAt > READ_INTERVAL_MS) {
      const tagged = await this.#readTag(remote, signal);
      const block = Math.max(0, Math.min(tagged ?? remote.number - this.#confirmations, remote.number));
      this.#latest = { block: Math.max(block, this.#latest?.block ?? 0), readAt: now };
    }
    return Math.max(this.#latest.block, local.finalized ?? 0);
  }

  async #readTag(remote: BlockHeader, signal: AbortSignal): Promise<number | undefined> {
    try {
      this.#tagged = await this.#source.finalized(signal, remote);
    } catch (error) {
      if (!(error instanceof RpcError) && !(error instanceof RpcInconsistency)) throw error;
    }
    return this.#tagged;
  }
}
