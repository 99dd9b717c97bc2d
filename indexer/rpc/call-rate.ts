import { createCallBudget, SAVED_MS_MAX } from './call-budget.ts';

/** The rate after the first refusal is at least this, in calls per second, because nothing may have been measured before it. */
const FIRST_RATE_MIN = 50;
const RATE_MIN = 1;
/** Until a limit is found, the rate grows by the first factor every second. At a refusal it falls by the second one. */
const GROWTH = 1.5;
const REDUCTION = 0.7;
/** The rate stays at this share of the rate that was refused last. */
const STEADY_SHARE = 0.9;
/** How long it stays there before a higher rate is tried, and by what factor it then rises. */
const PROBE_AFTER_MS = 600_000;
const PROBE_GROWTH = 1.25;
/** Calls that were answered in this time tell the rate at the first refusal. */
const MEASURED_MS = 5_000;
/** How long calls are still refused after a reduction, because more were sent before than the endpoint bears. */
const SETTLING_MS = 1_000;
/** A refusal tells the limit if calls were answered in so many seconds since the last one. */
const ANSWERED_SECONDS_MIN = 3;
const SECOND_MS = 1_000;

/** Learns how many calls per second an endpoint bears, from its refusals. There is no limit before the first of them. */
export type CallRate = {
  /** Takes calls that are about to be sent. Returns how many milliseconds to wait before. */
  take(calls: number): number;
  /** Records that calls were answered. */
  answered(calls: number): void;
  /** Records that calls were refused for their rate. Those that were sent before the last reduction took effect are ignored. */
  refused(sentAt: number): void;
  /** Returns how many calls may be sent at once. */
  burst(): number;
  /** Returns how many calls per second are sent at most. Infinite before the first refusal. */
  callsPerSecond(): number;
};

/**
 * Creates the rate of one endpoint. It falls at every refusal and grows until it comes near the rate that was refused last, where it
 * stays, so that an endpoint with a fixed limit soon refuses nothing any more.
 *
 * @param now the time in milliseconds
 */
export function createCallRate(now: () => number): CallRate {
  let rate = Number.POSITIVE_INFINITY;
  /** The rate that was refused last. Infinite until a refusal has told the limit. */
  let refusedRate = Number.POSITIVE_INFINITY;
  /** Since when no higher rate was refused or tried. */
  let steadySince = Number.NEGATIVE_INFINITY;
  let reducedAt = Number.NEGATIVE_INFINITY;
  /** The answered calls of the last seconds since the last refusal. */
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
      // A rate that was not used says nothing about a higher one.
      if (last !== undefined && last.calls >= burst()) grow();
      answers = [...answers.slice(-MEASURED_MS / SECOND_MS), { second: second(), calls }];
    },
    refused(sentAt) {
      if (sentAt < reducedAt + SETTLING_MS) return;
      reducedAt = now();
      if (rate === Number.POSITIVE_INFINITY) {
        rate = Math.max(FIRST_RATE_MIN, measured() * REDUCTION);
      } else {
        // Without seconds of answers before it, the endpoint may refuse any rate, as in an outage.
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
