import { createCallBudget } from './call-budget.ts';

/** Lowest rate after a first refusal, in calls per second. It may have come before anything could be measured. */
const FIRST_RATE_MIN = 50;
const RATE_MIN = 1;
/** The rate while the limit is looked for grows by this factor every second, and falls by the other one at a refusal. */
const GROWTH = 1.5;
const REDUCTION = 0.7;
/** Share of the rate that was refused last at which the rate stays. */
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
  /** Records that calls were refused for their rate. Those that were sent before the last reduction took effect count no more. */
  refused(sentAt: number): void;
  /** Returns how many calls may be sent at once. */
  burst(): number;
};

/**
 * Creates the rate of one endpoint. It falls at every refusal and grows until it comes near the rate that was refused last, where it
 * stays, so that an endpoint with a fixed limit soon refuses nothing any more.
 *
 * @param now the time in milliseconds
 */
export function createCallRate(now: () => number): CallRate {
  let rate = Number.POSITIVE_INFINITY;
  /** The rate that was refused last, as far as one is known. */
  let refusedRate = Number.POSITIVE_INFINITY;
  let refusedAt = Number.NEGATIVE_INFINITY;
  let reducedAt = Number.NEGATIVE_INFINITY;
  /** The answered calls since the rate changed or was measured, by the second. */
  let answers: { readonly second: number; calls: number }[] = [];
  const budget = createCallBudget(() => rate, now);

  const second = () => Math.floor(now() / SECOND_MS);

  function measured(): number {
    const recent = answers.filter((one) => one.second * SECOND_MS > now() - MEASURED_MS);
    const calls = recent.reduce((sum, one) => sum + one.calls, 0);
    return calls / Math.max(1, second() - (recent[0]?.second ?? 0) + 1);
  }

  function grow(): void {
    if (now() - refusedAt > PROBE_AFTER_MS) {
      refusedRate *= PROBE_GROWTH;
      refusedAt = now();
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
      if (last !== undefined && last.calls >= rate / 2) grow();
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
      refusedAt = now();
      answers = [];
    },
    burst: () => Math.max(1, Math.floor(rate)),
  };
}
