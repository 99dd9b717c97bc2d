import { within } from '../kernel/sleep.ts';
import type { Endpoint } from './endpoint.ts';

/**
 * Maximum share of the requests of one kind that are also sent to a second endpoint. If fewer were sent, the difference may be sent later,
 * up to `SAVED_MAX` requests.
 */
const SHARE_MAX = 0.1;
const SAVED_MAX = 5;
/** A request is slow if this share of the last `SAMPLES_MAX` answered requests of its kind to the same endpoint took less time. */
const QUANTILE = 0.95;
const SAMPLES_MAX = 64;
/** Until this many answered requests of its kind to the same endpoint were timed, a request is slow after `DELAY_DEFAULT_MS`. */
const SAMPLES_MIN = 16;
const DELAY_DEFAULT_MS = 1_000;
/** Limits of the time after which a request is slow. */
const DELAY_MIN_MS = 100;
const DELAY_MAX_MS = 2_000;

/**
 * A task that sends requests to one endpoint. `isHedge` is true if this is the second endpoint. The task should then throw instead of
 * returning a worse answer than the first endpoint would give.
 */
export type HedgedTask<T> = (endpoint: Endpoint, signal: AbortSignal | undefined, isHedge: boolean) => Promise<T>;

/** Sends a request to a second endpoint too if the first one is slow. */
export type Hedge = {
  /**
   * Runs a task on an endpoint, and on a second one too if the first one is slow. Returns the first result. If both fail, throws the
   * error of the first endpoint.
   *
   * @param kind the kind of request. Requests of one kind take about equally long
   * @param findSecond returns the second endpoint; undefined if there is none
   */
  run<T>(
    kind: string,
    first: Endpoint,
    findSecond: () => Endpoint | undefined,
    task: HedgedTask<T>,
    signal: AbortSignal | undefined,
  ): Promise<T>;
};

/** Creates the hedge of a pool. From the response times of each endpoint, it learns when a request to this endpoint is slow. */
export function createHedge(now: () => number): Hedge {
  const latencies = new Map<string, number[]>();
  /** How many requests of each kind may be sent to a second endpoint now. */
  const saved = new Map<string, number>();

  return {
    async run(kind, first, findSecond, task, signal) {
      const key = `${kind} ${first.name}`;
      const samples = latencies.get(key) ?? [];
      latencies.set(key, samples);
      const credit = Math.min(SAVED_MAX, (saved.get(kind) ?? SAVED_MAX) + SHARE_MAX);
      saved.set(kind, credit);
      const startedAt = now();
      const answering = task(first, signal, false);
      const settled = answering.then(
        () => {
          samples.push(now() - startedAt);
          if (samples.length > SAMPLES_MAX) samples.shift();
          return true;
        },
        () => true,
      );
      const isSlow = (await within(delayOf(samples), settled, signal)) === undefined;
      const second = isSlow && !signal?.aborted && credit >= 1 ? findSecond() : undefined;
      if (second === undefined) return answering;
      saved.set(kind, credit - 1);
      const stop = new AbortController();
      const stopOrSignal = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
      try {
        return await Promise.any([answering, task(second, stopOrSignal, true)]);
      } catch {
        return await answering;
      } finally {
        // The first request continues, so that its failure counts against the health of its endpoint.
        stop.abort();
      }
    },
  };
}

/** Returns after how many milliseconds a request counts as slow, from the times that earlier requests took. */
function delayOf(samples: readonly number[]): number {
  if (samples.length < SAMPLES_MIN) return DELAY_DEFAULT_MS;
  const usual = samples.toSorted((a, b) => a - b)[Math.ceil(QUANTILE * samples.length) - 1] ?? DELAY_DEFAULT_MS;
  return Math.min(DELAY_MAX_MS, Math.max(DELAY_MIN_MS, usual));
}
