import { COMPUTE_UNITS, COMPUTE_UNITS_PER_ANNOUNCED_BYTE } from '../indexer/rpc/compute-units.ts';

/**
 * Returns the compute units of calls and announcements by Alchemy's price list.
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
