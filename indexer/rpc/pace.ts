import { RpcError } from '../kernel/errors.ts';
import { sleep } from '../kernel/sleep.ts';
import { createCallRate } from './call-rate.ts';
import { createLimiter } from './concurrency.ts';
import { createHealth, type Health, isEndpointFailure, isMethodFailure } from './health.ts';
import type { Call } from './json-rpc.ts';
import type { Meter } from './meter.ts';
import type { EndpointNotice } from './notice.ts';
import { createReliability } from './reliability.ts';

/** Number of successful requests after which one of the request slots that rate-limit errors removed is added again. */
const ANSWERS_PER_SLOT = 50;

type SentCalls = readonly Pick<Call, 'method'>[];

/** Decides when requests may be sent to an endpoint. */
export type Pace = {
  /**
   * Runs a task that sends calls, as soon as they may be sent. Throws what the task throws, `Aborted` if the signal aborts, or the failure
   * of the trial request for which the task waited (see `Health`).
   */
  run<T>(kind: string, calls: SentCalls, task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T>;
  /**
   * Returns for how many milliseconds all requests are still paused after a failure. With `method`, which is a kind of request (see
   * `kindOfRequest`), returns this for requests of this kind. Waits for request slots and for the call rate are not included.
   */
  delayMs(method?: string): number;
  /** Returns the newest failure of the endpoint; undefined while the endpoint is healthy. */
  failure(): RpcError | undefined;
  /** Returns whether so many recent requests failed that other endpoints should be asked first. */
  isUnreliable(): boolean;
  /** Returns how many calls may be sent at once. */
  burst(): number;
  /** Returns how many calls per second are sent at most. Infinite while no limit is known. */
  callsPerSecond(): number;
};

/** Settings and dependencies of a pace. */
export type PaceSettings = {
  readonly concurrency: number;
  /** The configured limits of the endpoint. Undefined if none is configured. */
  readonly meter: Meter | undefined;
  readonly now: () => number;
  readonly random: () => number;
  readonly notice: (notice: EndpointNotice) => void;
};

/**
 * Creates the pace of an endpoint. It limits requests by the health of the endpoint, the number of free request slots, the configured
 * limits, and the call rate that the endpoint has accepted. A rate-limit error reduces the number of slots for a while. If the node
 * refuses one kind of request for an unknown reason, only that kind is slowed down.
 */
export function createPace(name: string, settings: PaceSettings): Pace {
  const limiter = createLimiter(settings.concurrency);
  const { now, random, notice, meter } = settings;
  const rate = createCallRate(now);
  const health = createHealth({
    isFailure: isEndpointFailure,
    now,
    random,
    onChange: (error) =>
      notice({
        event: error === undefined ? 'endpoint recovered' : 'endpoint failed',
        endpoint: name,
        detail: error?.message ?? 'the endpoint responds again',
      }),
  });
  const methods = new Map<string, Health>();
  const reliability = createReliability(now, (share) =>
    notice({
      event: 'endpoint unreliable',
      endpoint: name,
      detail: `${Math.round(share * 100)} % of its recent requests failed, so that other endpoints are asked first`,
    }),
  );

  function healthOf(method: string): Health {
    const known = methods.get(method);
    if (known !== undefined) return known;
    const created = createHealth({
      isFailure: isMethodFailure,
      now,
      random,
      onChange: (error) =>
        notice({
          event: error === undefined ? 'method recovered' : 'method failed',
          endpoint: name,
          detail: error?.message ?? `${method} is answered again`,
        }),
    });
    methods.set(method, created);
    return created;
  }

  let succeeded = 0;
  let narrowedAt = 0;

  async function run<T>(
    method: string,
    calls: SentCalls,
    task: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    let startedAt = Number.NEGATIVE_INFINITY;
    const send = async () => {
      const waitMs = Math.max(rate.take(calls.length), meter?.take(calls) ?? 0);
      if (waitMs > 0) await sleep(waitMs, signal);
      startedAt = now();
      return reliability.run(task);
    };
    try {
      const paced = () => limiter.run(() => health.run(send, signal), signal);
      const result = await healthOf(method).run(paced, signal);
      rate.answered(calls.length);
      if (++succeeded % ANSWERS_PER_SLOT === 0) limiter.widen();
      return result;
    } catch (error) {
      // Requests that were in flight together are rate-limited together. Slow down once for all of them.
      if (error instanceof RpcError && error.kind === 'rate-limited' && startedAt >= narrowedAt) {
        limiter.narrow();
        rate.refused(startedAt);
        narrowedAt = now();
      }
      throw error;
    }
  }

  return {
    run,
    failure: health.failure,
    isUnreliable: reliability.isUnreliable,
    burst: () => Math.min(rate.burst(), meter?.burst ?? Number.POSITIVE_INFINITY),
    callsPerSecond: () => Math.min(rate.callsPerSecond(), meter?.callsPerSecond ?? Number.POSITIVE_INFINITY),
    delayMs: (method) => Math.max(health.delayMs(), method === undefined ? 0 : (methods.get(method)?.delayMs() ?? 0)),
  };
}
