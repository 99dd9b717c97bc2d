import { createCallBudget, SAVED_MS_MAX } from './call-budget.ts';

/**
 * Minimum rate after the first refusal (rate-limit error), in calls per second. It applies if few calls were sent before the refusal,
 * because the rate that was measured is then too low.
 */
const FIRST_RATE_MIN = 50;
const RATE_MIN = 1;
/** Every second, the rate is multiplied by `GROWTH` until it is near the limit. At a refusal, it is multiplied by `REDUCTION`. */
const GROWTH = 1.5;
const REDUCTION = 0.7;
/** The rate grows to this share of the rate that was refused last, and stays there. */
const STEADY_SHARE = 0.9;
/** How long the rate stays at `STEADY_SHARE` before a higher rate is tried, and the factor by which the assumed limit then rises. */
const PROBE_AFTER_MS = 600_000;
const PROBE_GROWTH = 1.25;
/** The first refusal sets the rate from the calls that were answered within this time before it. */
const MEASURED_MS = 5_000;
/** Refusals of calls that were sent before a reduction of the rate, or within this time after it, do not reduce the rate again. */
const SETTLING_MS = 1_000;
/** A refusal reveals the limit only if, since the refusal before it, calls were answered in at least this many different seconds. */
const ANSWERED_SECONDS_MIN = 3;
const SECOND_MS = 1_000;

/** Learns from refusals how many calls per second an endpoint accepts. There is no limit before the first refusal. */
export type CallRate = {
  /** Counts calls that are about to be sent. Returns how many milliseconds to wait before sending them. */
  take(calls: number): number;
  /** Records that calls were answered. */
  answered(calls: number): void;
  /** Records a rate-limit error for calls that were sent at `sentAt`. Ignored if this was before the last reduction took effect. */
  refused(sentAt: number): void;
  /** Returns how many calls may be sent at once. */
  burst(): number;
  /** Returns how many calls per second are sent at most. Infinite before the first refusal. */
  callsPerSecond(): number;
};

/**
 * Creates the rate of one endpoint. The rate falls at every refusal. Then it grows until it is near the rate that was refused last, and
 * stays there. An endpoint with a fixed limit therefore soon refuses nothing more.
 *
 * @param now the time in milliseconds
 */
export function createCallRate(now: () => number): CallRate {
  let rate = Number.POSITIVE_INFINITY;
  /** The rate that was refused last. Infinite until a refusal has revealed the limit. */
  let refusedRate = Number.POSITIVE_INFINITY;
  /** The time of the last refusal, or of the last attempt at a higher rate. */
  let steadySince = Number.NEGATIVE_INFINITY;
  let reducedAt = Number.NEGATIVE_INFINITY;
  /** The number of calls that were answered in each of the last seconds since the last refusal. */
  let answers: { readonly second: number; calls: number }[] = [];
  const budget = createCallBudget(() => rate, now);

  const second = () => Math.floor(now() / SECOND_MS);

  const burst = () => Math.max(1, Math.floor((rate * SAVED_MS_MAX) / SECOND_MS));

  function measured(): number {
    const recent = answers.filter((one) => one.second * SECOND_MS > now() - MEASURED_MS);
    const calls = recent.reduce((sum, one) => sum + one.calls, 0);
    return recent[0] === undefined ? 0 : calls / (second() - recent[0].second + 1);
  }

  function grow(): void {
    if (now() - steadySince > PROBE_AFTER_MS) {
      refusedRate *= PROBE_GROWTH;
      steadySince = now();
    }
    rate = Math.max(rate, Math.min(rate * GROWTH, refusedRate * STEADY_SHARE));
  }

  return {
    take: budget.take,
    answered(calls) {
      const last = answers.at(-1);
      if (last?.second === second()) {
        last.calls += calls;
        return;
      }
      // Grow only if at least half of the rate was used. Fewer calls do not show that the endpoint may accept a higher rate.
      if (last !== undefined && last.calls >= burst()) grow();
      answers = [...answers.slice(-MEASURED_MS / SECOND_MS), { second: second(), calls }];
    },
    refused(sentAt) {
      if (sentAt < reducedAt + SETTLING_MS) return;
      reducedAt = now();
      if (rate === Number.POSITIVE_INFINITY) {
        rate = Math.max(FIRST_RATE_MIN, measured() * REDUCTION);
      } else {
        // Unless calls were answered for some seconds before this refusal, the endpoint may refuse every rate, as in an outage.
        if (answers.length >= ANSWERED_SECONDS_MIN) refusedRate = rate;
        rate = Math.max(RATE_MIN, rate * REDUCTION);
      }
      steadySince = now();
      answers = [];
    },
    burst,
    callsPerSecond: () => rate,
  };
}
