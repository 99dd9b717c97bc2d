import {
  Aborted,
  AnchorMismatch,
  ConfigError,
  type IndexerError,
  messageOf,
  RpcError,
  RpcInconsistency,
} from '../kernel/errors.ts';
import { type Backoff, backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Endpoint } from './endpoint.ts';
import { createHedge, type HedgedTask } from './hedge.ts';
import { RPC_CODE } from './json-rpc.ts';
import type { EndpointNotice } from './notice.ts';

const RETRY_BACKOFF: Backoff = { baseMs: 200, maxMs: 5_000 };

/** Options of a task that the pool runs. */
export type RunOptions = {
  readonly signal: AbortSignal | undefined;
  /** The lowest block that the task reads. Endpoints that have pruned this block are tried last. */
  readonly from?: number | undefined;
  /** The method that the task mainly uses. Endpoints whose requests of this method are paused after a failure are tried last. */
  readonly method?: string | undefined;
  /** The kind of task, for `hedged`. If set, and if the first attempt is slow, a second endpoint is asked too. */
  readonly hedge?: string | undefined;
};

/** The endpoints of one chain, in order of preference. */
export type Pool = {
  /**
   * Runs a task on one endpoint and retries it, on the same or on another endpoint, depending on the error. After a limited number of
   * attempts it throws the first `RpcInconsistency`, or the last error if there was none. Errors other than `RpcError`, `RpcInconsistency`
   * and `ConfigError` are thrown at once, and so is an `RpcError` that any endpoint would give, such as a revert.
   */
  run<T>(task: HedgedTask<T>, options: RunOptions): Promise<T>;
  /**
   * Runs a task on `endpoint`. If `endpoint` is slow, and the pool has another healthy endpoint, also runs the task there, and returns the
   * first result (see `Hedge`).
   *
   * @param kind the kind of task. Tasks of one kind take about equally long. If undefined, no other endpoint is asked
   */
  hedged<T>(
    kind: string | undefined,
    endpoint: Endpoint,
    task: HedgedTask<T>,
    signal: AbortSignal | undefined,
  ): Promise<T>;
  /**
   * Runs a task once on every healthy endpoint, or on all if none is healthy. Returns the values of the successful runs. Throws if all
   * fail. Endpoints in quarantine are left out, unless no other endpoint is healthy or `andQuarantined` is set.
   */
  runOnEach<T>(
    task: (endpoint: Endpoint) => Promise<T>,
    andQuarantined?: boolean,
  ): Promise<{ readonly endpoint: Endpoint; readonly value: T }[]>;
  /** Returns the endpoints that do not serve another chain: preferred first, quarantined last. Throws `ConfigError` if there are none. */
  endpoints(): readonly Endpoint[];
  /** If the endpoint is the preferred one, moves it to the end of the order of preference. */
  demote(endpoint: Endpoint): void;
};

/** Settings and dependencies of a pool. */
export type PoolSettings = {
  readonly attempts: number;
  readonly now: () => number;
  readonly random: () => number;
  readonly notice: (notice: EndpointNotice) => void;
  /** Sends a request that shows whether the answers of an endpoint in quarantine are consistent again. Throws if they are not. */
  readonly recheck: (endpoint: Endpoint, signal: AbortSignal) => Promise<unknown>;
};

/** What to do after an error: give up, exclude this endpoint, prefer another one, or retry on the same one. */
type ErrorAction = 'throw' | 'exclude' | 'next endpoint' | 'same endpoint';

/** Creates a pool of the endpoints, whose order is the order of preference. */
export function createPool(all: readonly Endpoint[], { attempts, now, random, notice, recheck }: PoolSettings): Pool {
  let order = [...all];
  const hedge = createHedge(now);

  function endpoints(): readonly Endpoint[] {
    const usable = order.filter((endpoint) => endpoint.refusal() === undefined);
    if (usable.length > 0) {
      const [trusted = [], aside = []] = [false, true].map((isAside) =>
        usable.filter(({ quarantine }) => quarantine.isActive() === isAside),
      );
      return [...trusted, ...aside];
    }
    throw new ConfigError(all.map((endpoint) => endpoint.refusal()).join('; '));
  }

  function demote(endpoint: Endpoint): void {
    if (order[0] === endpoint) order = [...order.slice(1), endpoint];
  }

  const hedged: Pool['hedged'] = (kind, first, task, signal) => {
    if (kind === undefined || all.length === 1) return task(first, signal, false);
    const mayAsk = (other: Endpoint) => other !== first && other.delayMs() === 0 && !other.quarantine.isActive();
    return hedge.run(kind, first, () => endpoints().find(mayAsk), task, signal);
  };

  async function run<T>(task: HedgedTask<T>, options: RunOptions): Promise<T> {
    const { signal, from, method, hedge: kind } = options;
    const tries = new Map<Endpoint, number>();
    const failed = new Map<Endpoint, number>();
    const contradicted = new Map<Endpoint, RpcInconsistency>();
    let worst: unknown;
    const limit = Math.max(attempts, 2 * all.length);
    for (let attempt = 1; ; attempt++) {
      if (signal?.aborted) throw new Aborted('aborted');
      const endpoint = choose(endpoints(), tries, from, method);
      if (endpoint === undefined) throw worst;
      try {
        const result = await hedged(attempt === 1 ? kind : undefined, endpoint, task, signal);
        setAside(contradicted, endpoint, recheck);
        return result;
      } catch (thrown) {
        const error = withEndpointName(thrown, endpoint);
        if (isContradiction(error) && failed.has(endpoint)) contradicted.set(endpoint, error);
        const action = actionFor(error, failed.get(endpoint) ?? 0);
        if (action === 'throw') throw error;
        // An inconsistency tells the caller more than the outage of another endpoint.
        if (!(worst instanceof RpcInconsistency)) worst = error;
        if (error instanceof RpcInconsistency)
          notice({ event: 'inconsistent response', endpoint: endpoint.name, detail: error.message });
        // After a `ConfigError`, the next requests to this endpoint would fail in the same way, so ask it only when all others fail.
        if (
          error instanceof ConfigError &&
          endpoint.refusal() === undefined &&
          order[0] === endpoint &&
          order.length > 1
        ) {
          notice({ event: 'endpoint refused', endpoint: endpoint.name, detail: error.message });
          demote(endpoint);
        }
        if (error instanceof RpcError && error.kind === 'pruned' && from !== undefined) {
          endpoint.prunedAt = Math.max(endpoint.prunedAt, from);
        }
        failed.set(endpoint, (failed.get(endpoint) ?? 0) + 1);
        if (action === 'exclude') tries.set(endpoint, Number.POSITIVE_INFINITY);
        if (action === 'next endpoint') tries.set(endpoint, (tries.get(endpoint) ?? 0) + 1);
        if (attempt >= limit) throw worst;
        const repeats = action === 'same endpoint' || choose(endpoints(), tries, from, method) === endpoint;
        if (repeats) await sleep(backoffMs(failed.get(endpoint) ?? 1, RETRY_BACKOFF, random), signal);
      }
    }
  }

  return {
    run,
    hedged,
    async runOnEach(task, andQuarantined = false) {
      // Leave out failing endpoints, because requests to them wait until they recover. If all endpoints are failing, ask all of them.
      const healthy = endpoints().filter((endpoint) => endpoint.delayMs() === 0);
      const trusted = healthy.filter(({ quarantine }) => andQuarantined || !quarantine.isActive());
      const asked = [trusted, healthy].find(({ length }) => length > 0) ?? endpoints();
      const settled = await Promise.allSettled(
        asked.map(async (endpoint) => ({ endpoint, value: await task(endpoint) })),
      );
      const answers = settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
      if (answers.length > 0) return answers;
      throw settled.find((outcome) => outcome.status === 'rejected')?.reason;
    },
    endpoints,
    demote,
  };
}

/** Quarantines endpoints that contradicted themselves repeatedly, now that the endpoint `answering` gave consistent answers instead. */
function setAside(
  contradicted: ReadonlyMap<Endpoint, RpcInconsistency>,
  answering: Endpoint,
  recheck: PoolSettings['recheck'],
): void {
  for (const [endpoint, { message, context }] of contradicted) {
    if (endpoint === answering) continue;
    endpoint.quarantine.enter({
      evidence: `${message} (${describe(context)}), where ${answering.name} gave consistent answers`,
      recheck: async (signal) => (await recheck(endpoint, signal)) !== undefined,
    });
  }
}

/**
 * Returns the best endpoint that is not excluded: the one with the fewest tries, where a quarantine counts as one more try. Among equals,
 * it prefers the shortest delay, then an endpoint that has not pruned block `from`, then a reliable one, then the order of preference.
 */
function choose(
  endpoints: readonly Endpoint[],
  tries: ReadonlyMap<Endpoint, number>,
  from: number | undefined,
  method: string | undefined,
): Endpoint | undefined {
  const rankOf = (endpoint: Endpoint) => [
    (tries.get(endpoint) ?? 0) + (endpoint.quarantine.isActive() ? 1 : 0),
    endpoint.delayMs(method),
    from !== undefined && from <= endpoint.prunedAt ? 1 : 0,
    endpoint.isUnreliable() ? 1 : 0,
  ];
  return endpoints
    .filter((endpoint) => tries.get(endpoint) !== Number.POSITIVE_INFINITY)
    .map((endpoint) => ({ endpoint, rank: rankOf(endpoint) }))
    .reduce<{ endpoint: Endpoint; rank: number[] } | undefined>(
      (best, candidate) => (best === undefined || compare(candidate.rank, best.rank) < 0 ? candidate : best),
      undefined,
    )?.endpoint;
}

function actionFor(error: unknown, failuresBefore: number): ErrorAction {
  if (error instanceof AnchorMismatch) return 'exclude';
  if (error instanceof RpcInconsistency) return failuresBefore === 0 ? 'same endpoint' : 'next endpoint';
  if (error instanceof ConfigError) return 'exclude';
  if (!(error instanceof RpcError)) return 'throw';
  switch (error.kind) {
    case 'unavailable':
    case 'rate-limited':
    case 'range-refused':
    case 'addresses-refused':
      return 'next endpoint';
    case 'unknown-block':
    case 'pruned':
      return 'exclude';
    case 'rejected':
      // Another endpoint may support the method, but a call that reverts will revert everywhere.
      return error.context.code === RPC_CODE.methodNotFound ? 'exclude' : 'throw';
  }
}

/** Returns whether an error shows that an endpoint contradicts itself. An `AnchorMismatch` does not, as it may be a reorganisation. */
function isContradiction(error: unknown): error is RpcInconsistency {
  return error instanceof RpcInconsistency && !(error instanceof AnchorMismatch);
}

/** Returns what the context of an error says about blocks, as text. Omits other members, because they may quote an answer of the node. */
function describe({ number, hash, parentHash, requested, expected }: IndexerError['context']): string {
  return JSON.stringify({ number, hash, parentHash, requested, expected });
}

/** Adds the endpoint to an inconsistency: its label to the message, its name to the context. */
function withEndpointName(error: unknown, endpoint: Endpoint): unknown {
  if (!(error instanceof RpcInconsistency) || error.context.endpoint !== undefined) return error;
  const Kind = error instanceof AnchorMismatch ? AnchorMismatch : RpcInconsistency;
  return new Kind(`${endpoint.label}: ${messageOf(error)}`, {
    context: { ...error.context, endpoint: endpoint.name },
  });
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
