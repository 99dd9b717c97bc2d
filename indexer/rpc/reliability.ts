import { isEndpointFailure } from './health.ts';

/** The weight of one request in the share of failed requests. So the share is about that of the last 64 requests. */
const REQUEST_WEIGHT = 1 / 64;
/** The share of failed requests from which on an endpoint is unreliable. A short outage, with few requests, does not reach it. */
const UNRELIABLE_SHARE = 0.25;
/** The share at which an unreliable endpoint counts as reliable again. */
const RELIABLE_SHARE = 0.1;
/** The share halves in this time, because an endpoint that is hardly asked has no chance to show that it is reliable again. */
const HALF_LIFE_MS = 60_000;

/** Tracks which share of the recent requests to an endpoint failed. */
export type Reliability = {
  /** Runs a task that sends a request. Counts a result, or a failure of the endpoint, but no other error. Throws what the task throws. */
  run<T>(task: () => Promise<T>): Promise<T>;
  /** Returns whether so many recent requests failed that other endpoints should be asked first. */
  isUnreliable(): boolean;
};

/**
 * Creates the reliability of an endpoint, which starts reliable.
 *
 * @param now the time in milliseconds
 * @param onUnreliable called with the share of failed requests when the endpoint becomes unreliable
 */
export function createReliability(now: () => number, onUnreliable: (failedShare: number) => void): Reliability {
  let share = 0;
  let at = now();
  let unreliable = false;

  function decay(): void {
    share *= 0.5 ** ((now() - at) / HALF_LIFE_MS);
    at = now();
    if (share <= RELIABLE_SHARE) unreliable = false;
  }

  function record(failed: boolean): void {
    decay();
    share += ((failed ? 1 : 0) - share) * REQUEST_WEIGHT;
    if (unreliable || share < UNRELIABLE_SHARE) return;
    unreliable = true;
    onUnreliable(share);
  }

  return {
    async run(task) {
      try {
        const result = await task();
        record(false);
        return result;
      } catch (error) {
        if (isEndpointFailure(error)) record(true);
        throw error;
      }
    },
    isUnreliable() {
      decay();
      return unreliable;
    },
  };
}
