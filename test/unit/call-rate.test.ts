import { expect, test } from 'vitest';
import { createCallRate } from '../../indexer/rpc/call-rate.ts';

const LATENCY_MS = 80;
const PAUSE_MS = 500;
const SENDERS = 4;
const BATCH_CALLS_MAX = 100;

/**
 * Simulates a provider with a limit of calls per second and a program that calls it. The provider lets unused calls of up to one second
 * be saved up. Time is simulated too.
 */
class Traffic {
  callsPerSecond: number;
  #now = 0;
  #saved: number;
  readonly #rate = createCallRate(() => this.#now);

  constructor(callsPerSecond: number) {
    this.callsPerSecond = callsPerSecond;
    this.#saved = callsPerSecond;
  }

  /** Sends batches for some seconds, as fast as the rate permits. Returns the number of answered calls and of refused batches. */
  run(seconds: number): { readonly answered: number; readonly refused: number } {
    const count = { answered: 0, refused: 0 };
    const end = this.#now + seconds * 1_000;
    const due: { at: number; run(): void }[] = [];
    const after = (ms: number, run: () => void) => due.push({ at: this.#now + ms, run });
    const send = () => {
      const calls = Math.min(BATCH_CALLS_MAX, this.#rate.burst());
      after(this.#rate.take(calls), () => {
        const sentAt = this.#now;
        const isTaken = this.#saved >= calls;
        if (isTaken) this.#saved -= calls;
        after(LATENCY_MS, () => {
          if (isTaken) this.#rate.answered(calls);
          else this.#rate.refused(sentAt);
          if (isTaken) count.answered += calls;
          else count.refused++;
          after(isTaken ? 0 : PAUSE_MS, send);
        });
      });
    };
    for (let sender = 0; sender < SENDERS; sender++) after(0, send);
    for (;;) {
      due.sort((a, b) => a.at - b.at);
      const next = due.shift();
      if (next === undefined || next.at > end) return count;
      const earned = ((next.at - this.#now) / 1_000) * this.callsPerSecond;
      this.#saved = Math.min(this.callsPerSecond, this.#saved + earned);
      this.#now = next.at;
      next.run();
    }
  }
}

test.each([5, 25, 300])(
  'an endpoint that bears %i calls a second soon refuses none, and most of them are used',
  (limit) => {
    const traffic = new Traffic(limit);
    traffic.run(120);
    const { answered, refused } = traffic.run(300);
    expect(refused).toBe(0);
    expect(answered / 300 / limit).toBeGreaterThan(0.8);
  },
);

test('an endpoint that never refuses is not slowed down', () => {
  const { answered } = new Traffic(1e9).run(10);
  expect(answered).toBeGreaterThan(SENDERS * BATCH_CALLS_MAX * ((10_000 / LATENCY_MS) * 0.98));
});

test('after an outage that looked like a rate limit, the rate is as before within a minute', () => {
  const traffic = new Traffic(400);
  const before = traffic.run(10);
  traffic.callsPerSecond = 0;
  traffic.run(60);
  traffic.callsPerSecond = 400;
  traffic.run(60);
  expect(traffic.run(10).answered).toBeGreaterThan(0.6 * before.answered);
});

test('an endpoint that bears more later gets more, after a while', () => {
  const traffic = new Traffic(20);
  traffic.run(60);
  traffic.callsPerSecond = 1_000;
  const before = traffic.run(60);
  traffic.run(3 * 3_600);
  expect(traffic.run(60).answered).toBeGreaterThan(3 * before.answered);
});
