/**
 * Compute units of a call to each method, from Alchemy's public price list: https://www.alchemy.com/docs/reference/compute-unit-costs, in
 * commit 055b393 of github.com/alchemyplatform/docs, read on 2026-11-27. The page has no date. It has listed these prices since
 * 2025-06-03. The price of a batch is the sum of the prices of its calls.
 */
export const COMPUTE_UNITS: Readonly<Record<string, number>> = {
  eth_chainId: 0,
  eth_blockNumber: 10,
  eth_subscribe: 10,
  eth_unsubscribe: 10,
  eth_getBlockByNumber: 20,
  eth_getBlockByHash: 20,
  eth_getBlockReceipts: 20,
  eth_getTransactionReceipt: 20,
  eth_getTransactionCount: 20,
  eth_getCode: 20,
  eth_call: 26,
  eth_getLogs: 60,
};

/** Compute units for each byte that a subscription delivers (Alchemy's price list, "Webhooks and Subscription APIs"). */
export const COMPUTE_UNITS_PER_ANNOUNCED_BYTE = 0.04;

/** Compute units that count against Alchemy's limit per second, where they differ from the price (price list, "Throughput CU"). */
const THROUGHPUT_UNITS: Readonly<Record<string, number>> = { eth_getBlockReceipts: 500 };

/** The price that is assumed for a method without a listed price. It is that of `eth_getLogs`, the most expensive frequent call. */
const UNITS_OF_UNKNOWN = 60;

/** Returns the compute units that a call costs. */
export function priceOf(method: string): number {
  return COMPUTE_UNITS[method] ?? UNITS_OF_UNKNOWN;
}

/** Returns the compute units of a call that count against a limit per second. */
export function throughputOf(method: string): number {
  return THROUGHPUT_UNITS[method] ?? priceOf(method);
}
