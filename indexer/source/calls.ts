import type { Hex } from '../kernel/chain.ts';
import { RpcError } from '../kernel/errors.ts';
import { mapInBatches } from '../rpc/batch.ts';
import type { Endpoint, Requester } from '../rpc/endpoint.ts';
import { parseBytes, toQuantity } from './parse.ts';

/** Maximum size of an `eth_call` result as hexadecimal text (two characters per byte). The largest token names seen so far have 1 MB. */
const MAX_CALL_BYTES = 4 * 1024 * 1024;

/** The parameters of `eth_call`: the address of a contract, and the data of the call. */
export type ContractCall = { readonly to: Hex; readonly data: Hex };

/** Calls that are made at one block. */
export type ContractCalls = {
  readonly calls: readonly ContractCall[];
  readonly blockNumber: number;
  /** The maximum number of calls in one batch. Set it if the calls are large. */
  readonly maxCalls?: number;
};

/**
 * Returns the result of `eth_call` at a block, or at the newest block. Throws `RpcError` of kind `rejected` if the call reverts, or if its
 * result is larger than 4 MiB as hexadecimal text.
 */
export async function readCall(
  requester: Requester,
  { to, data }: ContractCall,
  blockNumber: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Hex> {
  const block = blockNumber === undefined ? 'latest' : toQuantity(blockNumber);
  try {
    const options = { signal, maxBytes: MAX_CALL_BYTES };
    const result = parseBytes(await requester.request('eth_call', [{ to, data }, block], options), 'result');
    if (result.length <= MAX_CALL_BYTES) return result;
  } catch (error) {
    if (!(error instanceof RpcError) || error.kind !== 'range-refused') throw error;
  }
  throw new RpcError(
    'rejected',
    `${requester.label}: eth_call: the result of ${to} is larger than ${MAX_CALL_BYTES} bytes`,
  );
}

/** Makes calls at a block, in batches if the endpoint accepts batches. A rejected call has its `RpcError` as result. */
export function readCalls(
  endpoint: Endpoint,
  { calls, blockNumber, maxCalls }: ContractCalls,
  signal: AbortSignal | undefined,
): Promise<readonly (Hex | RpcError)[]> {
  const read = async (call: ContractCall, requester: Requester, stop: AbortSignal | undefined) => {
    try {
      return await readCall(requester, call, blockNumber, stop);
    } catch (error) {
      if (error instanceof RpcError && error.kind === 'rejected') return error;
      throw error;
    }
  };
  return mapInBatches(endpoint, calls, signal, read, maxCalls);
}
