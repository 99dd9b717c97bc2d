import type { Hex } from '../kernel/chain.ts';
import { RpcError } from '../kernel/errors.ts';
import { mapInBatches } from '../rpc/batch.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { isRevert } from '../rpc/revert.ts';
import { parseBytes, toQuantity } from './parse.ts';

/** A call of a view function of a contract. */
export type ViewCall = { readonly to: Hex; readonly data: Hex };

/** What a view function returned, or that it reverted. */
export type ViewAnswer = Hex | 'reverted';

/** Calls to contracts as of one block. */
export type ViewCalls = {
  readonly calls: readonly ViewCall[];
  readonly blockNumber: number;
  /** The maximum number of calls in one batch, if they are large. */
  readonly maxCalls?: number;
};

/** Makes calls as of a block, in batches where the endpoint accepts them. Any failure other than a revert is thrown. */
export async function readCalls(
  endpoint: Endpoint,
  { calls, blockNumber, maxCalls }: ViewCalls,
  signal: AbortSignal | undefined,
): Promise<readonly ViewAnswer[]> {
  const block = toQuantity(blockNumber);
  return mapInBatches(
    endpoint,
    calls,
    signal,
    async ({ to, data }, requester, stop): Promise<ViewAnswer> => {
      try {
        return parseBytes(await requester.request('eth_call', [{ to, data }, block], { signal: stop }), 'result');
      } catch (error) {
        if (error instanceof RpcError && isRevert(error)) return 'reverted';
        throw error;
      }
    },
    maxCalls,
  );
}
