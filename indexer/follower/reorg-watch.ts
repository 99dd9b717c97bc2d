import type { Database } from '../db/database.ts';
import { unwindTo } from '../ingest/unwind-to.ts';
import type { BlockHeader, BlockRef } from '../kernel/chain.ts';
import type { Logger } from '../observability/log.ts';
import { type ChainState, haltChain, lowestUnwindSince } from '../progress/chains.ts';
import { checkpointsUpTo } from '../progress/checkpoints.ts';
import { factBlocks } from '../protocols/known-blocks.ts';
import type { Source, Witness } from '../source/source.ts';
import { commonAncestor } from './ancestor.ts';
import { decideReorg, type Evidence, OBSERVATIONS_BELOW_FINALIZED } from './decide.ts';

/** What the follower does next. `continue`: go on with this head. `recheck`: read the head again soon. `settled`: wait for another head. */
export type StepOutcome = 'continue' | 'recheck' | 'settled';

/**
 * After this many observations of a reorg, an endpoint that is on the database's branch counts as stuck if it has no block as high as the
 * head of the other branch.
 */
const OBSERVATIONS_BEFORE_STUCK = 20;
/** How many blocks of the other branch, from the common ancestor on, must link by parent hash before the database's branch is unwound. */
const LINK_CHECK_BLOCKS = 64;
/** How many remembered blocks beyond `haltDepth` are compared with the chain, so that the message of a halt can name the ancestor. */
const BEYOND_HALT_BLOCKS = 1_024;

/**
 * Investigates suspected reorgs: finds the common ancestor of our branch (that of the database) and the other branch (that of an endpoint),
 * counts how often the reorg was observed and how many endpoints have each branch, and then waits, unwinds, or halts the chain.
 */
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

  /** Forgets the suspected reorg, because it was unwound or halted the chain, or because the endpoint's head shows no reorg any more. */
  clearSuspicion(): void {
    this.#suspicion = undefined;
  }

  /** Investigates a suspected reorg. Returns `continue` if the database was unwound, so that its head can be extended at once. */
  async investigate(
    state: ChainState,
    remote: BlockHeader,
    finalized: number,
    signal: AbortSignal,
  ): Promise<StepOutcome> {
    const { database, log } = this.#deps;
    const { chainId, head } = state;
    if (head === undefined) return 'settled';
    const { ancestor, firstLost } = await this.#findFork(chainId, head, remote, signal);
    if (firstLost === undefined && ancestor !== undefined) return 'settled'; // an endpoint has our head after all
    if (ancestor !== undefined) await this.#checkLinks(ancestor, remote, signal);
    const observations = this.#suspicion?.ancestor === ancestor?.number ? (this.#suspicion?.observations ?? 0) + 1 : 1;
    this.#suspicion = { ancestor: ancestor?.number, observations };
    const witnesses =
      firstLost === undefined ? undefined : await this.#askWitnesses(firstLost, remote, observations, signal);
    const votes = { ours: witnesses?.ours.length ?? 0, other: witnesses?.other.length ?? 1 };
    const decision = decideReorg({ head, ancestor, finalized, votes, observations, haltDepth: this.#haltDepth });
    const context = { chain: chainId, head: head.number, ancestor: ancestor?.number, finalized, votes, observations };
    switch (decision.do) {
      case 'wait':
        // A reorg is observed again every second. Only observations 1, 2, 4, 8 and so on are logged.
        if (Number.isInteger(Math.log2(observations)))
          log.warn({ ...context, reason: decision.because }, 'reorg suspected');
        if (firstLost !== undefined && isContradicted({ votes, observations, isFinal: firstLost.number <= finalized }))
          this.#setAside(witnesses?.other ?? [], firstLost, state);
        return 'recheck';
      case 'halt':
        await haltChain(
          database.kysely,
          chainId,
          `${decision.because}; repair it with: indexer unwind --chain ${chainId} --to-block N`,
        );
        log.error({ ...context, reason: decision.because }, 'chain halted');
        this.clearSuspicion();
        return 'recheck';
      case 'unwind': {
        const removed = await unwindTo(database, { chainId, to: decision.to, reason: 'reorg', seen: state });
        this.clearSuspicion();
        const level = decision.belowFinalized ? 'error' : 'info';
        log[level](
          { ...context, depth: head.number - decision.to.number, removed },
          decision.belowFinalized ? 'reorg below the finalized block unwound' : 'reorg unwound',
        );
        return 'continue';
      }
    }
  }

  /** Quarantines the endpoints that have another block at the height of `firstLost`, until they have `firstLost` or it is unwound. */
  #setAside(witnesses: readonly Witness[], firstLost: BlockRef, { chainId, epoch }: ChainState): void {
    const { database, source } = this.#deps;
    source.setAside(witnesses, firstLost, async () => {
      const lowest = await lowestUnwindSince(database.kysely, chainId, epoch);
      return lowest !== undefined && lowest < firstLost.number;
    });
  }

  /** Finds the newest block in the database that is still on the chain (`ancestor`), and the oldest that is not (`firstLost`). */
  async #findFork(
    chainId: number,
    head: BlockRef,
    remote: BlockRef,
    signal: AbortSignal,
  ): Promise<{ readonly ancestor: BlockRef | undefined; readonly firstLost: BlockRef | undefined }> {
    const { database, source } = this.#deps;
    const onChain = async ({ number, hash }: BlockRef) => (await source.header(number, signal))?.hash === hash;
    const top = Math.min(head.number, remote.number);
    const checkpoints = await checkpointsUpTo(database.kysely, chainId, top, this.#haltDepth + BEYOND_HALT_BLOCKS);
    // After an unwind, there may be no checkpoint of the head.
    const remembered = head.number === top && checkpoints[0]?.number !== top ? [head, ...checkpoints] : checkpoints;
    const { ancestor, firstLost } = await commonAncestor(remembered, onChain);
    const above = ancestor?.number ?? -1;
    if (firstLost === undefined || firstLost.number - above === 1) return { ancestor, firstLost };
    // Checkpoints of history lie far apart. Between two of them, blocks are known by the hashes that facts carry.
    const between = await factBlocks(database.kysely, chainId, { above, below: firstLost.number }, BEYOND_HALT_BLOCKS);
    const nearer = await commonAncestor(between, onChain);
    return { ancestor: nearer.ancestor ?? ancestor, firstLost: nearer.firstLost ?? firstLost };
  }

  /** Checks that the other branch links to the common ancestor. Throws if it does not, because then the node contradicts itself. */
  async #checkLinks(ancestor: BlockRef, remote: BlockHeader, signal: AbortSignal): Promise<void> {
    if (remote.number <= ancestor.number) return;
    const to = Math.min(remote.number, ancestor.number + LINK_CHECK_BLOCKS);
    await this.#deps.source.fetchRange(
      { from: ancestor.number + 1, to, strict: true, watch: { addresses: [], topics: [] }, anchor: ancestor },
      signal,
    );
  }

  /**
   * Returns the endpoints that have the block `firstLost` (`ours`), and those that have another block at its height (`other`). Leaves out
   * endpoints without a block at this height, and after `OBSERVATIONS_BEFORE_STUCK` observations also those that are stuck on our branch.
   */
  async #askWitnesses(
    firstLost: BlockRef,
    remote: BlockRef,
    observations: number,
    signal: AbortSignal,
  ): Promise<{ readonly ours: readonly Witness[]; readonly other: readonly Witness[] }> {
    const { source } = this.#deps;
    const witnesses = (await source.witnesses(firstLost.number, signal)).filter(({ header }) => header !== undefined);
    const upToDate =
      observations < OBSERVATIONS_BEFORE_STUCK
        ? witnesses
        : (await source.witnesses(remote.number, signal)).filter(({ header }) => header !== undefined);
    const current = new Set(upToDate.map(({ endpoint }) => endpoint));
    const ours = witnesses.filter((one) => one.header?.hash === firstLost.hash && current.has(one.endpoint));
    const other = witnesses.filter((one) => one.header?.hash !== firstLost.hash);
    return { ours, other };
  }
}

/**
 * Returns whether to distrust the endpoints that have another block than the database, because more endpoints have the database's block.
 * The reorg must have been observed three times if the block is final, else `OBSERVATIONS_BEFORE_STUCK` times. At a tie, returns false.
 */
function isContradicted({
  votes: { ours, other },
  observations,
  isFinal,
}: {
  readonly votes: Evidence['votes'];
  readonly observations: number;
  readonly isFinal: boolean;
}): boolean {
  return ours > other && observations >= (isFinal ? OBSERVATIONS_BELOW_FINALIZED : OBSERVATIONS_BEFORE_STUCK);
}
