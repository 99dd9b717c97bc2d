import type { BlockHeader, BlockRef } from '../kernel/chain.ts';

export type View = {
  /** Our newest committed block; `undefined` before the first. */
  readonly local: BlockRef | undefined;
  /** The endpoint's newest block. */
  readonly remote: BlockHeader;
  /** The endpoint's block at our height, where it is asked for and has one. */
  readonly remoteAtLocal: BlockRef | undefined;
  /** Our own block at the endpoint's height, where we remember one. */
  readonly localAtRemote: BlockRef | undefined;
};

export type Decision =
  | { readonly do: 'start' }
  | { readonly do: 'extend' }
  | { readonly do: 'catch up' }
  | { readonly do: 'wait'; readonly because: 'up to date' | 'node is behind' | 'node has not our block yet' }
  | { readonly do: 'suspect reorg'; readonly at: number };

/**
 * What to do about the head. Pure: the shell that calls it reads the blocks and acts.
 *
 * | endpoint's head | at the lower of both heights | decision |
 * | --- | --- | --- |
 * | any, and we hold nothing | | start |
 * | below ours | same block, or we remember none there | wait: the node is behind, which is no reorg |
 * | below ours | another block | suspect a reorg there: a shorter branch may win |
 * | at ours | same block | wait: up to date |
 * | at ours | another block | suspect a reorg |
 * | one above ours, child of ours | | extend |
 * | above ours | same block | catch up |
 * | above ours | another block | suspect a reorg |
 * | above ours | the node does not know our height | wait: two nodes behind one address |
 *
 * A suspicion is not yet an unwind: `judge` weighs it once the common ancestor is found.
 */
export function decide({ local, remote, remoteAtLocal, localAtRemote }: View): Decision {
  if (local === undefined) return { do: 'start' };
  if (remote.number <= local.number) {
    const ours = remote.number === local.number ? local : localAtRemote;
    if (ours !== undefined && ours.hash !== remote.hash) return { do: 'suspect reorg', at: remote.number };
    return { do: 'wait', because: remote.number === local.number ? 'up to date' : 'node is behind' };
  }
  if (remote.number === local.number + 1 && remote.parentHash === local.hash) return { do: 'extend' };
  if (remoteAtLocal === undefined) return { do: 'wait', because: 'node has not our block yet' };
  if (remoteAtLocal.hash !== local.hash) return { do: 'suspect reorg', at: local.number };
  return { do: 'catch up' };
}

export type Evidence = {
  readonly head: BlockRef;
  /** The newest block that we remember and the chain still has; `undefined` where none was found. */
  readonly ancestor: BlockRef | undefined;
  readonly finalized: number;
  /** Endpoints that have our block just above the ancestor, and those that have another there. */
  readonly votes: { readonly ours: number; readonly other: number };
  /** How often in a row the same branch was seen, this time included. */
  readonly observations: number;
  readonly haltDepth: number;
};

export type Verdict =
  | { readonly do: 'unwind'; readonly to: BlockRef; readonly belowFinalized: boolean }
  | { readonly do: 'wait'; readonly because: 'endpoints disagree' | 'seen too seldom' }
  | { readonly do: 'halt'; readonly because: string };

/** How often a branch must be seen before a block that was final, or more than `haltDepth` of them, is given up. */
export const OBSERVATIONS_BELOW_FINALIZED = 3;

/**
 * Whether a branch that links to an ancestor of ours is the chain now. Pure.
 *
 * | case | verdict |
 * | --- | --- |
 * | as many endpoints or more still have our block | wait: no rewind on one node's word |
 * | the ancestor is above finalized and within `haltDepth` | unwind to it |
 * | below finalized, no ancestor, or deeper than `haltDepth`, seen fewer than three times in a row | wait |
 * | no ancestor among the blocks that we remember | halt |
 * | deeper than `haltDepth` | halt: an operator decides (`indexer unwind`) |
 * | below finalized, within `haltDepth` | unwind, and say so as an error |
 */
export function judge({ head, ancestor, finalized, votes, observations, haltDepth }: Evidence): Verdict {
  if (votes.ours > 0 && votes.ours >= votes.other) return { do: 'wait', because: 'endpoints disagree' };
  const depth = ancestor === undefined ? Number.POSITIVE_INFINITY : head.number - ancestor.number;
  const belowFinalized = ancestor === undefined || ancestor.number < Math.min(finalized, head.number);
  if ((belowFinalized || depth > haltDepth) && observations < OBSERVATIONS_BELOW_FINALIZED) {
    return { do: 'wait', because: 'seen too seldom' };
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
