import type { Hex } from '../kernel/chain.ts';

/** Maximum number of addresses in one filter, unless an endpoint only accepts fewer. */
export const ADDRESSES_MAX = 500;
/**
 * Maximum number of filters for one range, among which the addresses are divided if an endpoint accepts fewer than `ADDRESSES_MAX` in one.
 * If more filters were needed, logs are requested by topic only, unless the endpoint requires addresses.
 */
const FILTERS_MAX = 20;
/** How long a limit that was learnt from a refusal applies, before the default limits are tried again. */
const COOLDOWN_MS = 600_000;

/**
 * The addresses and topics in the filter of one request. If `addresses` or `topics` is undefined, the filter does not name them, and the
 * program filters the response by them instead.
 */
export type FilterPart = {
  readonly addresses: readonly Hex[] | undefined;
  readonly topics: readonly Hex[] | undefined;
};

/** Tracks what an endpoint accepts in the filter of one `eth_getLogs` request. */
export type FilterLimit = {
  /** Returns the filters that together request the logs of all addresses and topics. */
  parts(addresses: readonly Hex[], topics: readonly Hex[]): readonly FilterPart[];
  /**
   * Records that a filter was refused because it names too many addresses, or none. `hint` is the number of addresses that the provider
   * says it accepts. Returns whether another filter is left to try.
   */
  refused(part: FilterPart, hint: number | undefined): boolean;
};

/** Creates the filter limit of one endpoint. */
export function createFilterLimit(now: () => number): FilterLimit {
  let max = ADDRESSES_MAX;
  let needsAddresses = false;
  let takesTopics = true;
  let learntAt = Number.NEGATIVE_INFINITY;

  return {
    parts(addresses, topics) {
      if (now() - learntAt > COOLDOWN_MS) [max, needsAddresses, takesTopics] = [ADDRESSES_MAX, false, true];
      const named = takesTopics ? topics : undefined;
      if (addresses.length <= max) return [{ addresses, topics: named }];
      const count = Math.ceil(addresses.length / max);
      if (!needsAddresses && (max === ADDRESSES_MAX || count > FILTERS_MAX))
        return [{ addresses: undefined, topics: named }];
      return Array.from({ length: count }, (_, at) => ({
        addresses: addresses.slice(at * max, (at + 1) * max),
        topics: named,
      }));
    },
    refused({ addresses, topics }, hint) {
      learntAt = now();
      if (addresses === undefined) {
        if (needsAddresses) return false;
        needsAddresses = true;
        return true;
      }
      if (addresses.length > 1) {
        const fits =
          hint !== undefined && hint > 0 && hint < addresses.length ? hint : Math.floor(addresses.length / 2);
        max = Math.min(max, fits);
        return true;
      }
      // The endpoint refuses even a single address, so the topics in the filter may be the reason.
      if (topics === undefined || !takesTopics) return false;
      takesTopics = false;
      return true;
    },
  };
}
