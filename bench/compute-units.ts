/**
 * Compute units of a call by Alchemy's public price list: https://www.alchemy.com/docs/reference/compute-unit-costs, as it stood in
 * commit 055b393 of github.com/alchemyplatform/docs, read on 2026-11-27. The page has no date of its own; these prices have been the
 * same in it since 2025-06-03. A batch costs what its calls cost.
 */
const COMPUTE_UNITS: Readonly<Record<string, number>> = {
  eth_chainId: 0,
  eth_blockNumber: 10,
  eth_subscribe: 10,
  eth_unsubscribe: 10,
  eth_getBlockByNumber: 20,
  eth_getBlockByHash: 20,
  eth_getBlockReceipts: 20,
  eth_getTransactionReceipt: 20,
  eth_getCode: 20,
  eth_call: 26,
  eth_getLogs: 60,
};
/** The price of what a subscription delivers (same page, "Webhooks and Subscription APIs"). */
const COMPUTE_UNITS_PER_ANNOUNCED_BYTE = 0.04;

/**
 * Returns the compute units of calls and announcements.
 *
 * @param calls - the number of calls by method, or by method and block tag
 * @throws {RangeError} for a method without a price
 */
export function computeUnits(calls: Readonly<Record<string, number>>, announcedBytes: number): number {
  return Object.entries(calls).reduce((sum, [kind, count]) => {
    const price = COMPUTE_UNITS[kind.split(' ')[0] ?? ''];
    if (price === undefined) throw new RangeError(`${kind} has no price in the list of compute units`);
    return sum + count * price;
  }, announcedBytes * COMPUTE_UNITS_PER_ANNOUNCED_BYTE);
}
