import type { Hex } from '../../kernel/chain.ts';
import { RpcError } from '../../kernel/errors.ts';
import type { DeploymentProof } from '../../source/source.ts';

/** The methods with which the registry, the list of followed contracts, reads contracts from the chain. */
export type ChainReader = {
  /** Returns the result of `eth_call` at the newest block. Returns `0x` if the call reverts or the answer is too large. */
  call(to: Hex, data: Hex, signal: AbortSignal): Promise<Hex>;
  /** Returns the code of a contract as of the newest block. Undefined if the address has no code yet, or no endpoint returns its code. */
  code(address: Hex, signal: AbortSignal): Promise<Hex | undefined>;
  /** Returns whether the address has code as of the block. Returns `no state` if no endpoint has the chain's state as of that block. */
  codeAt(address: Hex, block: number, signal: AbortSignal): Promise<boolean | 'no state'>;
  /** Tries to prove that a contract, which has code as of a block, was deployed in this block. If this fails, the result says why. */
  proveDeployment(address: Hex, block: number, signal: AbortSignal): Promise<DeploymentProof>;
};

/** The methods of a source (the RPC endpoints of a chain) that a `ChainReader` calls. */
export type CallSource = {
  call(to: Hex, data: Hex, blockNumber?: number, signal?: AbortSignal): Promise<Hex>;
  code(address: Hex, signal?: AbortSignal): Promise<Hex>;
  codeAt(address: Hex, blockNumber: number, signal?: AbortSignal): Promise<boolean>;
  proveDeployment(address: Hex, blockNumber: number, signal?: AbortSignal): Promise<DeploymentProof>;
};

/**
 * Returns a reader that calls a source. A reverted call, or a chain state that no endpoint has, becomes a return value. Other errors are
 * thrown.
 */
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
    async code(address, signal) {
      try {
        const code = await source.code(address, signal);
        return code === '0x' ? undefined : code;
      } catch (error) {
        if (error instanceof RpcError && isRefusal(error)) return undefined;
        throw error;
      }
    },
    async codeAt(address, block, signal) {
      try {
        return await source.codeAt(address, block, signal);
      } catch (error) {
        if (error instanceof RpcError && isRefusal(error)) return 'no state';
        throw error;
      }
    },
    proveDeployment: (address, block, signal) => source.proveDeployment(address, block, signal),
  };
}

/** Returns whether an error means that the endpoints lack the chain's state as of a block. False if they fail only for the moment. */
function isRefusal({ kind, answered }: RpcError): boolean {
  return kind === 'pruned' || kind === 'rejected' || (kind === 'unavailable' && answered);
}
