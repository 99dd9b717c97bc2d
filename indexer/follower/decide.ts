import type { BlockHeader, BlockRef } from '../kernel/chain.ts';

/** The two chains as the follower sees them. */
export type View = {
  /** The newest block that the database holds. Undefined while it holds none. */
  readonly local: BlockRef | undefined;
  /** The endpoint's newest block. */
  readonly remote: BlockHeader;
  /** The endpoint's block at the local height. Undefined if it was not read or does not exist. */
  readonly remoteAtLocal: BlockRef | undefined;
  /** The block that the database holds at the height of the endpoint's head. Undefined if it holds no checkpoint there. */
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
 * | endpoint's head | at the lower of both heights | decision |
 * | --- | --- | --- |
 * | any, and the database holds no block | | start |
 * | below the local head | same block, or the database has none there | wait: the node lags, which is no reorg |
 * | below the local head | another block | suspect a reorg there: a shorter branch may win |
 * | at the local height | same block | wait: up to date |
 * | at the local height | another block | suspect a reorg |
 * | child of the local head | | extend |
 * | above the local head | same block | catch up |
 * | above the local head | another block | suspect a reorg |
 * | above the local head | the node has no block at the local height | wait: the URL may lead to several nodes, one of which lags |
 *
 * A suspicion alone causes no unwind: `decideReorg` decides after the common ancestor was found.
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
  /** The newest block that the database remembers and that is still on the chain. Undefined if none was found. */
  readonly ancestor: BlockRef | undefined;
  readonly finalized: number;
  /** How many endpoints have the local block just above the ancestor, and how many have another block there. */
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

/** How often a reorg must be observed before a finalized block is unwound, or before a reorg deeper than `haltDepth` halts the chain. */
export const OBSERVATIONS_BELOW_FINALIZED = 3;

/**
 * Decides whether to unwind the local branch after an endpoint showed another branch. Pure.
 *
 * | first case that applies | decision |
 * | --- | --- |
 * | at least half of the endpoints still have the local block | wait: one node alone causes no unwind |
 * | the ancestor is not below the finalized block, and within `haltDepth` | unwind to it |
 * | the reorg was observed fewer than three times in a row | wait |
 * | none of the remembered blocks is an ancestor | halt |
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
