import type { Kysely } from 'kysely';
import type { DB } from '../db/schema.ts';
import { readChain } from '../progress/chains.ts';
import type { ContractCall, Source } from '../source/source.ts';
import { chooseServedBlock, isStateMissing } from './served-block.ts';

/** Dependencies of `AsOf`, which chooses the block as of which contracts are compared. */
export type AsOfDeps = {
  readonly db: Kysely<DB>;
  readonly source: Pick<Source, 'calls' | 'finalized' | 'head'>;
  readonly chainId: number;
  /** The block that the operator named. If undefined, `chooseServedBlock` chooses the finalized block or else the newest one. */
  readonly fixed: number | undefined;
  /** A call that is tried to find out whether an endpoint has the chain's state as of a block. */
  readonly probe: ContractCall;
};

/** Chooses the block as of which contracts are compared, and another one if endpoints no longer have the chain's state as of that block. */
export class AsOf {
  readonly #deps: AsOfDeps;
  #block: number | undefined;
  /** Why another block than the newest finalized one is used, or why none can be used. */
  #note: string | null = null;

  constructor(deps: AsOfDeps) {
    this.#deps = deps;
  }

  /** The block as of which contracts are compared. Undefined before the first `choose`, and if no block can be chosen. */
  get block(): number | undefined {
    return this.#block;
  }

  get note(): string | null {
    return this.#note;
  }

  /** Chooses the block. Returns false if no block can be chosen, or if the choice is the same as before. */
  async choose(signal: AbortSignal): Promise<boolean> {
    const { db, source, chainId, fixed, probe } = this.#deps;
    const before = this.#block;
    if (fixed !== undefined) {
      this.#block = before === undefined ? fixed : undefined;
      this.#note = before === undefined ? null : `no endpoint serves the state of block ${fixed}`;
      return this.#block !== undefined;
    }
    const chosen = await chooseServedBlock(source, await readChain(db, chainId), probe, signal);
    this.#block = 'block' in chosen ? chosen.block : undefined;
    this.#note = 'block' in chosen ? chosen.note : chosen.refusal;
    return this.#block !== undefined && this.#block !== before;
  }

  /**
   * Calls `work` with the chosen block. If no endpoint has the chain's state as of this block any more, chooses another block and calls
   * `work` again. Returns undefined if no block can be chosen.
   */
  async run<T>(work: (block: number) => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    while (this.#block !== undefined) {
      try {
        return await work(this.#block);
      } catch (error) {
        if (!isStateMissing(error)) throw error;
        if (!(await this.choose(signal))) this.#block = undefined;
      }
    }
    return undefined;
  }
}
