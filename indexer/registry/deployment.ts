import type { Hex } from '../kernel/chain.ts';
import type { ChainReader } from '../protocols/shared/chain-reader.ts';
import type { DeploymentProof } from '../source/source.ts';

/** The block in which a contract was deployed. */
export type DeploymentBlock = {
  readonly block: number;
  /** Unix seconds. Null for block 0, for which there is no proof. */
  readonly timestamp: number | null;
  /** The transaction that created the contract. Null if another contract created it, or no receipt shows the creation. */
  readonly transaction: Hex | null;
};

/** The result of the search for a deployment block. */
export type Deployment =
  | ({ readonly found: 'at' } & DeploymentBlock)
  /** The address has no code at the newest block that was looked at. */
  | { readonly found: 'nothing' }
  /** The deployment cannot be proved for any block. The contract may have logs in blocks older than the one that the search found. */
  | { readonly found: 'unproved'; readonly because: string };

/** The maximum number of searches. Another search begins if a proof shows that an endpoint denied code that existed. */
const SEARCHES_MAX = 5;

/**
 * Finds the block in which a contract was deployed, and proves it. A binary search over `eth_getCode` finds the first block with code,
 * with about 40 requests.
 *
 * The answer that an address has code is trusted, because no node invents code. The answer that it has none is not trusted, because a
 * node without the state of the block gives it too. So the block that the search finds counts only if the deployment is proved. Assumes
 * that a contract that destroyed itself is not deployed again.
 *
 * @param head the newest block to look at
 */
export async function findDeployment(
  reader: Pick<ChainReader, 'codeAt' | 'proveDeployment'>,
  address: Hex,
  head: number,
  signal: AbortSignal,
): Promise<Deployment> {
  const present = await reader.codeAt(address, head, signal);
  if (present === 'no state') return { found: 'unproved', because: `no endpoint serves the state of block ${head}` };
  if (!present) return { found: 'nothing' };
  let withCode = head;
  for (let search = 0; search < SEARCHES_MAX; search++) {
    withCode = await lowestWithCode(reader, address, withCode, signal);
    if (withCode === 0) return { found: 'at', block: 0, timestamp: null, transaction: null };
    const proof = await reader.proveDeployment(address, withCode, signal);
    if (proof.outcome === 'unproved') return { found: 'unproved', because: proof.because };
    if (proof.outcome !== 'older') return foundAt(withCode, proof);
    withCode -= 1;
  }
  return { found: 'unproved', because: `the endpoints contradict themselves about its code below block ${withCode}` };
}

/**
 * Proves that a contract was deployed in the block that was given for it. If this cannot be proved, searches for the deployment block.
 *
 * @param head the newest block to look at
 */
export async function confirmDeployment(
  reader: Pick<ChainReader, 'codeAt' | 'proveDeployment'>,
  address: Hex,
  { given, head }: { readonly given: number; readonly head: number },
  signal: AbortSignal,
): Promise<Deployment> {
  const proof = await reader.proveDeployment(address, given, signal);
  if (proof.outcome === 'created' || proof.outcome === 'agreed') return foundAt(given, proof);
  return findDeployment(reader, address, head, signal);
}

type Proved = Extract<DeploymentProof, { readonly timestamp: number }>;

function foundAt(block: number, proof: Proved): Deployment {
  const transaction = proof.outcome === 'created' ? proof.transaction : null;
  return { found: 'at', block, timestamp: proof.timestamp, transaction };
}

/**
 * Returns the lowest block in which the endpoints report code. Uses a binary search below `known`, a block in which the contract has
 * code.
 */
async function lowestWithCode(
  reader: Pick<ChainReader, 'codeAt'>,
  address: Hex,
  known: number,
  signal: AbortSignal,
): Promise<number> {
  let withCode = known;
  let without = -1;
  while (withCode - without > 1) {
    const middle = without + Math.floor((withCode - without) / 2);
    if ((await reader.codeAt(address, middle, signal)) === true) withCode = middle;
    else without = middle;
  }
  return withCode;
}
