import type { RpcEndpoint } from '../config/define.ts';
import type { ProxySettings } from '../config/resolve.ts';
import { createCallBudget } from './call-budget.ts';
import { createClient } from './client.ts';
import { createEndpoint, type Endpoint } from './endpoint.ts';
import { createMeters, type Meter } from './meter.ts';
import type { EndpointNotice } from './notice.ts';
import { observeClient, type RpcObserver } from './observe.ts';

const REQUEST_TIMEOUT_MS = 10_000;
const CONCURRENCY = 16;
const INITIAL_RANGE_BLOCKS = 2_000;

/** Settings of the endpoints of a chain; times in milliseconds. Only `chainId` and `rpcUrls` are required. */
export type EndpointsOptions = {
  readonly chainId: number;
  /** The endpoints; the first is preferred. */
  readonly rpcUrls: readonly RpcEndpoint[];
  /** The name of the setting that holds the URLs of the endpoints, for error messages. Default: `RPC_URL_<chainId>`. */
  readonly variable?: string | undefined;
  readonly proxy?: ProxySettings | undefined;
  readonly requestTimeoutMs?: number | undefined;
  /** Maximum number of requests in flight per endpoint. */
  readonly concurrency?: number | undefined;
  /** Maximum number of calls per second, to all endpoints together. Each call of a batch counts. Default: no limit. */
  readonly callsPerSecond?: number | undefined;
  /** Number of blocks of the first `eth_getLogs` request. Later requests adapt to what the endpoint accepts. */
  readonly initialRangeBlocks?: number | undefined;
};

type EndpointsDeps = {
  readonly now: () => number;
  readonly random: () => number;
  readonly notice: (notice: EndpointNotice) => void;
  readonly observe: RpcObserver | undefined;
  readonly meters: readonly (Meter | undefined)[] | undefined;
};

/** Creates the endpoints of a chain, which connect at their first request. Throws `ConfigError` for an unusable URL. */
export function openEndpoints(options: EndpointsOptions, deps: EndpointsDeps): readonly Endpoint[] {
  const { chainId, rpcUrls, proxy, requestTimeoutMs = REQUEST_TIMEOUT_MS, callsPerSecond } = options;
  const { variable = `RPC_URL_${chainId}` } = options;
  const { now, random, notice, observe, meters = createMeters(rpcUrls, now) } = deps;
  const settings = {
    chainId,
    concurrency: options.concurrency ?? CONCURRENCY,
    initialRangeBlocks: options.initialRangeBlocks ?? INITIAL_RANGE_BLOCKS,
    budget: callsPerSecond === undefined ? undefined : createCallBudget(() => callsPerSecond, now),
    now,
    random,
    notice,
  };
  const variableOf = (index: number) => `${variable}${rpcUrls.length > 1 ? `, endpoint ${index + 1}` : ''}`;
  return rpcUrls.map((rpcUrl, index) => {
    const client = createClient(rpcUrl, index, requestTimeoutMs, proxy, variableOf(index));
    return createEndpoint(observe ? observeClient(client, chainId, observe, now) : client, {
      ...settings,
      meter: meters[index],
    });
  });
}
