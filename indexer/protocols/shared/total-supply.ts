import type { Hex } from '../../kernel/chain.ts';
import { RpcError } from '../../kernel/errors.ts';
import type { CallSource } from './chain-reader.ts';

/** The first four bytes of keccak-256 of `totalSupply()` (EIP-20, EIP-721's optional enumeration extension). */
const TOTAL_SUPPLY = '0x18160ddd';
const ANSWER = /^0x[0-9a-f]{64}$/i;

/**
 * Returns what a contract answers to `totalSupply()` as of a block. Returns `absent` if it has no such function at that block, and
 * `pruned` if no endpoint has the state of that block.
 */
export async function totalSupplyAt(
  source: Pick<CallSource, 'call'>,
  address: Hex,
  block: number,
  signal: AbortSignal,
): Promise<bigint | 'absent' | 'pruned'> {
  try {
    const answer = await source.call(address, TOTAL_SUPPLY, block, signal);
    return ANSWER.test(answer) ? BigInt(answer) : 'absent';
  } catch (error) {
    if (error instanceof RpcError && error.kind === 'rejected') return 'absent';
    if (error instanceof RpcError && error.kind === 'pruned') return 'pruned';
    throw error;
  }
}
