/**
 * Compute units of a call by Alchemy's public price list: https://www.alchemy.com/docs/reference/compute-unit-costs, as it stood in
 * commit 055b393 of github.com/alchemyplatform/docs, read on 2026-11-27. The page has no date of its own; these prices have been the
 * same in it since 2025-06-03. A batch costs what its calls cost.
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

/** The price of each byte that a subscription delivers (same page, "Webhooks and Subscription APIs"). */
export const COMPUTE_UNITS_PER_ANNOUNCED_BYTE = 0.04;

/** Compute units that count against the limit per second, for methods where they differ from the price (same page, "Throughput CU"). */
const THROUGHPUT_UNITS: Readonly<Record<string, number>> = { eth_getBlockReceipts: 500 };

/** The price of a method that is not listed. It is that of the most expensive call that is sent often. */
const UNITS_OF_UNKNOWN = 60;

/** Returns the compute units that a call costs. */
export function priceOf(method: string): number {
  return COMPUTE_UNITS[method] ?? UNITS_OF_UNKNOWN;
}

/** Returns the compute units that a call counts against a limit per second. */
export function throughputOf(method: string): number {
  return THROUGHPUT_UNITS[method] ?? priceOf(method);
}
