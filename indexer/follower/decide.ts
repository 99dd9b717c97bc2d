import type { BlockHeader, BlockRef } from '../kernel/chain.ts';

/** The blocks that the follower compares: those of the database (local) and those of an endpoint (remote). */
export type View = {
  /** The head: the newest committed block. Undefined before the first commit. */
  readonly local: BlockRef | undefined;
  /** The endpoint's newest block. */
  readonly remote: BlockHeader;
  /** The endpoint's block at the height of `local`. Undefined if it was not read or does not exist. */
  readonly remoteAtLocal: BlockRef | undefined;
  /** The checkpoint in the database at the height of `remote`. Undefined if it was not read or does not exist. */
  readonly localAtRemote: BlockRef | undefined;
};

/** What to do about the endpoint's head. */
export type Decision =
  | { readonly do: 'start' }
  | { readonly do: 'extend' }
  | { readonly do: 'catch up' }
  | { readonly do: 'wait'; readonly because: 'up to date' | 'node is behind' | 'node lacks the local head' }
  | { readonly do: 'suspect reorg'; readonly at: number };

/**
 * Decides what to do about the endpoint's head. Pure: the caller reads the blocks and acts.
 *
 * | endpoint's head | blocks at the height of the lower head | decision |
 * | --- | --- | --- |
 * | any, before the first commit | | start |
 * | below the local head | same block, or no checkpoint in the database | wait: the node lags, which is no reorg |
 * | below the local head | another block | suspect a reorg: a shorter branch may win |
 * | at the local height | same block | wait: up to date |
 * | at the local height | another block | suspect a reorg |
 * | child of the local head | | extend |
 * | above the local head | same block | catch up |
 * | above the local head | another block | suspect a reorg |
 * | above the local head | no block of the endpoint | wait: the URL may lead to several nodes, one of which lags |
 *
 * A suspected reorg is not unwound at once: `decideReorg` decides, after the common ancestor was found.
 */
export function decide({ local, remote, remoteAtLocal, localAtRemote }: View): Decision {
  if (local === undefined) return { do: 'start' };
  if (remote.number <= local.number) {
    const known = remote.number === local.number ? local : localAtRemote;
    if (known !== undefined && known.hash !== remote.hash) return { do: 'suspect reorg', at: remote.number };
    return { do: 'wait', because: remote.number === local.number ? 'up to date' : 'node is behind' };
  }
  if (remote.number === local.number + 1 && remote.parentHash === local.hash) return { do: 'extend' };
  if (remoteAtLocal === undefined) return { do: 'wait', because: 'node lacks the local head' };
  if (remoteAtLocal.hash !== local.hash) return { do: 'suspect reorg', at: local.number };
  return { do: 'catch up' };
}

/** What is known about a suspected reorg. */
export type Evidence = {
  readonly head: BlockRef;
  /** The newest block in the database that is still on the chain, as far as blocks were compared. Undefined if none was found. */
  readonly ancestor: BlockRef | undefined;
  readonly finalized: number;
  /**
   * How many endpoints have the oldest block above the ancestor that the database knows (`ours`), and how many have another block at that
   * height (`other`).
   */
  readonly votes: { readonly ours: number; readonly other: number };
  /** How many times in a row a reorg to the same ancestor was observed, including this time. */
  readonly observations: number;
  readonly haltDepth: number;
};

/** What to do about a suspected reorg. */
export type ReorgDecision =
  | { readonly do: 'unwind'; readonly to: BlockRef; readonly belowFinalized: boolean }
  | { readonly do: 'wait'; readonly because: 'endpoints disagree' | 'too few observations' }
  | { readonly do: 'halt'; readonly because: string };

/** How often a reorg must be observed before a finalized block is unwound, or the chain is halted because of the reorg. */
export const OBSERVATIONS_BELOW_FINALIZED = 3;

/**
 * Decides whether to unwind the branch in the database after an endpoint gave another branch. Pure.
 *
 * | first case that applies | decision |
 * | --- | --- |
 * | at least half of the counted endpoints have the database's block | wait: one node alone causes no unwind |
 * | the ancestor is not below the finalized block, and within `haltDepth` | unwind to it |
 * | the reorg was observed fewer than three times in a row | wait |
 * | no common ancestor was found | halt |
 * | the ancestor is deeper than `haltDepth` | halt: an operator decides (`indexer unwind`) |
 * | the ancestor is below the finalized block, but within `haltDepth` | unwind, logged as an error |
 */
export function decideReorg({ head, ancestor, finalized, votes, observations, haltDepth }: Evidence): ReorgDecision {
  if (votes.ours > 0 && votes.ours >= votes.other) return { do: 'wait', because: 'endpoints disagree' };
  const depth = ancestor === undefined ? Number.POSITIVE_INFINITY : head.number - ancestor.number;
  const belowFinalized = ancestor === undefined || ancestor.number < Math.min(finalized, head.number);
  if ((belowFinalized || depth > haltDepth) && observations < OBSERVATIONS_BELOW_FINALIZED) {
    return { do: 'wait', because: 'too few observations' };
  }
  if (ancestor === undefined)
    return { do: 'halt', because: 'the chain has none of the blocks that the database remembers' };
  if (depth > haltDepth) {
    return {
      do: 'halt',
      because: `a reorg of ${depth} blocks, to block ${ancestor.number}, is deeper than ${haltDepth}`,
    };
  }
  return { do: 'unwind', to: ancestor, belowFinalized };
}
