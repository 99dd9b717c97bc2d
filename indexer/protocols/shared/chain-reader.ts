import type { Hex } from '../../kernel/chain.ts';
import { RpcError } from '../../kernel/errors.ts';

/** What the registry asks of a chain. */
export type ChainReader = {
  /** `eth_call` at the newest block: what the contract returns, or `0x` where it reverts or answers more than anyone needs. */
  call(to: Hex, data: Hex, signal: AbortSignal): Promise<Hex>;
  /** Whether there is code at the address as of the block, or `pruned` where no endpoint remembers that state. */
  codeAt(address: Hex, block: number, signal: AbortSignal): Promise<boolean | 'pruned'>;
};

/** The part of a source that the registry needs. */
export type CallSource = {
  call(to: Hex, data: Hex, blockNumber?: number, signal?: AbortSignal): Promise<Hex>;
  codeAt(address: Hex, blockNumber: number, signal?: AbortSignal): Promise<boolean>;
};

/** Reads through a source; what a contract answers badly becomes a value, what an endpoint fails at stays an error. */
export function chainReaderOver(source: CallSource): ChainReader {
  return {
    async call(to, data, signal) {
      try {
        return await source.call(to, data, undefined, signal);
      } catch (error) {
        if (error instanceof RpcError && error.kind === 'rejected') return '0x';
        throw error;
      }
    },
    async codeAt(address, block, signal) {
      try {
        return await source.codeAt(address, block, signal);
      } catch (error) {
        if (error instanceof RpcError && error.kind === 'pruned') return 'pruned';
        throw error;
      }
    },
  };
}
