import type { RpcEndpoint } from '../config/define.ts';
import { priceOf, throughputOf } from './compute-units.ts';
import type { Call } from './json-rpc.ts';
import { MonthlyBudget } from './monthly-budget.ts';
import { createRateWindow } from './rate-window.ts';

/** The compute units of the most expensive call that is sent in large batches. */
const UNITS_PER_BATCHED_CALL = throughputOf('eth_getLogs');

/** The configured limits of one endpoint, and what its calls have cost. All sources (readers of the chain) of a process share it. */
export type Meter = {
  /** Counts calls that are about to be sent. Returns how many milliseconds to wait before sending them. */
  take(calls: readonly Pick<Call, 'method'>[]): number;
  /** How many calls may be sent at once: the calls of half a second, so that other sources can use the rest of each second. */
  readonly burst: number;
  /** The configured limit of calls per second; infinite if there is none. A limit of compute units per second is not included. */
  readonly callsPerSecond: number;
  /** Counts the calls against the monthly budget. Undefined if the endpoint has none. */
  readonly budget: MonthlyBudget | undefined;
};

/**
 * Creates one meter for each endpoint of a chain, in the order of the endpoints. An endpoint that is configured as a URL only, or as a viem
 * transport, has no limits, so its meter is undefined.
 *
 * @param now the time in milliseconds
 */
export function createMeters(rpcUrls: readonly RpcEndpoint[], now: () => number): readonly (Meter | undefined)[] {
  return rpcUrls.map((endpoint, index) => {
    if (typeof endpoint !== 'object') return undefined;
    const { callsPerSecond = Number.POSITIVE_INFINITY, computeUnitsPerSecond = Number.POSITIVE_INFINITY } = endpoint;
    const calls = createRateWindow(callsPerSecond, now);
    const units = createRateWindow(computeUnitsPerSecond, now);
    const hasBudget = endpoint.monthlyCalls !== undefined || endpoint.monthlyComputeUnits !== undefined;
    const budget = hasBudget ? new MonthlyBudget(endpoint, index) : undefined;
    return {
      take(sent) {
        budget?.spend(sent.length, sumOf(sent, priceOf));
        return Math.max(calls.take(sent.length), units.take(sumOf(sent, throughputOf)));
      },
      burst: Math.max(1, Math.floor(Math.min(callsPerSecond, computeUnitsPerSecond / UNITS_PER_BATCHED_CALL) / 2)),
      callsPerSecond,
      budget,
    };
  });
}

function sumOf(calls: readonly Pick<Call, 'method'>[], units: (method: string) => number): number {
  return calls.reduce((sum, { method }) => sum + units(method), 0);
}
