import type { Database } from '../db/database.ts';
import { factBlocks } from '../ingest/fact-blocks.ts';
import { unwindTo } from '../ingest/unwind-to.ts';
import type { BlockHeader, BlockRef } from '../kernel/chain.ts';
import type { Logger } from '../observability/log.ts';
import { type ChainState, haltChain } from '../progress/chains.ts';
import { blocksBelow } from '../progress/checkpoints.ts';
import type { Source } from '../source/source.ts';
import { commonAncestor } from './ancestor.ts';
import { judge } from './decide.ts';

/** `again`: there is more to do for the same head; `open`: look again soon; `settled`: wait for another head. */
export type StepOutcome = 'again' | 'open' | 'settled';

/** After so many looks an endpoint that has our block, but none at the other branch's height, is taken to stand still. */
const OBSERVATIONS_OF_STANDSTILL = 20;
/** Blocks of the new branch whose links to the ancestor are read before ours is given up. */
const LINK_CHECK_BLOCKS = 64;
/** Remembered blocks compared beyond `haltDepth`, so that a halt can name the ancestor. */
const BEYOND_HALT_BLOCKS = 1_024;

/** Weighs suspicions of a reorg: finds the common ancestor, counts witnesses and observations, and unwinds, waits or halts. */
export class ReorgWatch {
  readonly #deps: { readonly database: Database; readonly source: Source; readonly log: Logger };
  readonly #haltDepth: number;
  #suspicion: { readonly ancestor: number | undefined; readonly observations: number } | undefined;

  constructor(
    deps: { readonly database: Database; readonly source: Source; readonly log: Logger },
    { haltDepth }: { readonly haltDepth: number },
  ) {
    this.#deps = deps;
    this.#haltDepth = haltDepth;
  }

  /** The chain showed our branch again. */
  forget(): void {
    this.#suspicion = undefined;
  }

  /** Acts on a suspicion; `again` when the database was unwound and the head can be extended at once. */
  async weigh(seen: ChainState, remote: BlockHeader, finalized: number, signal: AbortSignal): Promise<StepOutcome> {
    const { database, log } = this.#deps;
    const { chainId, head } = seen;
    if (head === undefined) return 'settled';
    const { ancestor, firstLost } = await this.#fork(chainId, head, remote, signal);
    if (firstLost === undefined && ancestor !== undefined) return 'settled'; // the chain has our block after all
    if (ancestor !== undefined) await this.#checkLinks(ancestor, remote, signal);
    const observations = this.#suspicion?.ancestor === ancestor?.number ? (this.#suspicion?.observations ?? 0) + 1 : 1;
    this.#suspicion = { ancestor: ancestor?.number, observations };
    const votes =
      firstLost === undefined ? { ours: 0, other: 1 } : await this.#votes(firstLost, remote, observations, signal);
    const verdict = judge({ head, ancestor, finalized, votes, observations, haltDepth: this.#haltDepth });
    const context = { chain: chainId, head: head.number, ancestor: ancestor?.number, finalized, votes, observations };
    switch (verdict.do) {
      case 'wait':
        // Looked at every second, said ever more seldom.
        if (Number.isInteger(Math.log2(observations))) log.warn(context, `a reorg is suspected: ${verdict.because}`);
        return 'open';
      case 'halt':
        await haltChain(
          database.kysely,
          chainId,
          `${verdict.because}; repair it with: indexer unwind --chain ${chainId} --to-block N`,
        );
        log.error(context, `halted: ${verdict.because}`);
        this.forget();
        return 'open';
      case 'unwind': {
        const removed = await unwindTo(database, { chainId, to: verdict.to, reason: 'reorg', seen });
        this.forget();
        const level = verdict.belowFinalized ? 'error' : 'info';
        log[level](
          { ...context, depth: head.number - verdict.to.number, removed },
          verdict.belowFinalized ? 'unwound a reorg below the finalized block' : 'unwound a reorg',
        );
        return 'again';
      }
    }
  }

  /** The newest block of ours that the chain still has, and the oldest that it has not, as far as we remember them. */
  async #fork(
    chainId: number,
    head: BlockRef,
    remote: BlockRef,
    signal: AbortSignal,
  ): Promise<{ readonly ancestor: BlockRef | undefined; readonly firstLost: BlockRef | undefined }> {
    const { database, source } = this.#deps;
    const onChain = async ({ number, hash }: BlockRef) => (await source.header(number, signal))?.hash === hash;
    const top = Math.min(head.number, remote.number);
    const checkpoints = await blocksBelow(database.kysely, chainId, top, this.#haltDepth + BEYOND_HALT_BLOCKS);
    // An unwind may have left a head that is no checkpoint.
    const ours = head.number === top && checkpoints[0]?.number !== top ? [head, ...checkpoints] : checkpoints;
    const { ancestor, firstLost } = await commonAncestor(ours, onChain);
    const above = ancestor?.number ?? -1;
    if (firstLost === undefined || firstLost.number - above === 1) return { ancestor, firstLost };
    // Checkpoints of history lie far apart: between two of them blocks are known by the facts in them.
    const between = await factBlocks(database, chainId, { above, below: firstLost.number }, BEYOND_HALT_BLOCKS);
    const nearer = await commonAncestor(between, onChain);
    return { ancestor: nearer.ancestor ?? ancestor, firstLost: nearer.firstLost ?? firstLost };
  }

  /** A reorg is another block on a branch that links; anything else is a node that contradicts itself, and throws. */
  async #checkLinks(ancestor: BlockRef, remote: BlockHeader, signal: AbortSignal): Promise<void> {
    if (remote.number <= ancestor.number) return;
    const to = Math.min(remote.number, ancestor.number + LINK_CHECK_BLOCKS);
    await this.#deps.source.fetchRange(
      { from: ancestor.number + 1, to, strict: true, watch: { addresses: [], topics: [] }, anchor: ancestor },
      signal,
    );
  }

  /** Who has no block at a height says nothing of it; who stands still on our branch is not listened to for ever. */
  async #votes(
    firstLost: BlockRef,
    remote: BlockRef,
    observations: number,
    signal: AbortSignal,
  ): Promise<{ readonly ours: number; readonly other: number }> {
    const { source } = this.#deps;
    const witnesses = (await source.witnesses(firstLost.number, signal)).filter(({ header }) => header !== undefined);
    const keepUp =
      observations < OBSERVATIONS_OF_STANDSTILL
        ? witnesses
        : (await source.witnesses(remote.number, signal)).filter(({ header }) => header !== undefined);
    const current = new Set(keepUp.map(({ endpoint }) => endpoint));
    const ours = witnesses.filter((one) => one.header?.hash === firstLost.hash && current.has(one.endpoint)).length;
    const other = witnesses.filter((one) => one.header?.hash !== firstLost.hash).length;
    return { ours, other };
  }
}
