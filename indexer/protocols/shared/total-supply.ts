import type { Hex } from '../../kernel/chain.ts';
import { RpcError } from '../../kernel/errors.ts';
import type { CallSource } from './chain-reader.ts';

/** The first four bytes of keccak-256 of `totalSupply()` (EIP-20, EIP-721's optional enumeration extension). */
const TOTAL_SUPPLY = '0x18160ddd';
const ANSWER = /^0x[0-9a-f]{64}$/i;

/**
 * Returns what a contract answers to `totalSupply()` as of a block. Returns `absent` if it answers nothing, because it has no such function
 * or does not exist yet. Returns `unknown` if the call fails: the contract reverts it, or no endpoint has the chain's state as of that
 * block. Error messages do not always tell these two causes apart.
 */
export async function totalSupplyAt(
  source: Pick<CallSource, 'call'>,
  address: Hex,
  block: number,
  signal: AbortSignal,
): Promise<bigint | 'absent' | 'unknown'> {
  try {
    const answer = await source.call(address, TOTAL_SUPPLY, block, signal);
    return ANSWER.test(answer) ? BigInt(answer) : 'absent';
  } catch (error) {
    if (error instanceof RpcError && (error.kind === 'rejected' || error.kind === 'pruned')) return 'unknown';
    throw error;
  }
}
