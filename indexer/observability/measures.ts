import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** A commit of facts, either of new blocks at the head or of history. */
type Commit = {
  readonly chainId: number;
  readonly part: 'head' | 'history';
  /** The number of blocks. */
  readonly blocks: number;
  readonly factsByTable: ReadonlyMap<string, number>;
  readonly seconds: number;
};

/** The connections of a database pool: all of them, the idle ones, and the number of requests that wait for one. */
type PoolCounts = { readonly totalCount: number; readonly idleCount: number; readonly waitingCount: number };

/** The calls of one request to an endpoint that have the same method and outcome. `seconds` is the duration of the request. */
type Request = {
  readonly chain: number;
  /** The host of the endpoint's URL, without secrets, and the endpoint's place in the configuration. */
  readonly endpoint: string;
  readonly method: string;
  readonly outcome: string;
  readonly calls: number;
  readonly seconds: number;
};

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Outcomes that are no failure of the endpoint: a result, an error about the call itself, and a call that the program aborted. */
const GOOD_OUTCOMES = ['ok', 'refused', 'aborted'];
const COMMIT_SECONDS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const QUERY_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30];

/** Prometheus metrics of this process since it started. Metrics without the prefix `indexer_` have the names that the platform uses. */
export class Measures {
  readonly registry = new Registry();
  readonly #options = { registers: [this.registry] };
  readonly #events = new Counter({
    name: 'indexer_events_total',
    help: 'Facts that this process wrote, by table.',
    labelNames: ['chain', 'table', 'part'],
    ...this.#options,
  });
  readonly #blocks = new Counter({
    name: 'indexer_blocks_total',
    help: 'Blocks that this process committed.',
    labelNames: ['chain', 'part'],
    ...this.#options,
  });
  readonly #commits = new Histogram({
    name: 'indexer_commit_seconds',
    help: 'Duration of the transactions that commit facts.',
    labelNames: ['chain', 'part'],
    buckets: COMMIT_SECONDS,
    ...this.#options,
  });
  readonly #queries = new Histogram({
    name: 'db_query_duration_seconds',
    help: 'Duration of database statements outside transactions, except those of pages and metrics.',
    buckets: QUERY_SECONDS,
    ...this.#options,
  });
  readonly #calls = new Counter({
    name: 'indexer_rpc_calls_total',
    help: 'Calls to endpoints by their outcome. Each call of a batch counts.',
    labelNames: ['chain', 'endpoint', 'method', 'outcome'],
    ...this.#options,
  });
  readonly #requestSeconds = new Histogram({
    name: 'indexer_rpc_request_seconds',
    help: 'Duration of requests to endpoints.',
    labelNames: ['chain', 'endpoint', 'method'],
    buckets: REQUEST_SECONDS,
    ...this.#options,
  });
  readonly #platformRequests = new Counter({
    name: 'rpc_requests_total',
    help: 'Calls to endpoints.',
    labelNames: ['network', 'method'],
    ...this.#options,
  });
  readonly #platformSeconds = new Histogram({
    name: 'rpc_latency_seconds',
    help: 'Duration of requests to endpoints.',
    labelNames: ['network'],
    buckets: REQUEST_SECONDS,
    ...this.#options,
  });
  readonly #platformErrors = new Counter({
    name: 'rpc_errors_total',
    help: 'Calls to endpoints that failed.',
    labelNames: ['network', 'error'],
    ...this.#options,
  });
  readonly #administrativeEvents = new Counter({
    name: 'indexer_administrative_events_total',
    help: 'Events of administrative calls that this process committed at the head.',
    labelNames: ['chain', 'event', 'severity'],
    ...this.#options,
  });
  readonly #largeClaims = new Counter({
    name: 'indexer_large_claims_total',
    help: 'Claims of at least the configured amount that this process committed at the head.',
    labelNames: ['chain'],
    ...this.#options,
  });
  readonly #endpointCalls = new Map<string, { calls: number; failedCalls: number }>();
  readonly #facts = new Map<string, number>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Counts a commit. */
  committed({ chainId, part, blocks, factsByTable, seconds }: Commit): void {
    const chain = String(chainId);
    for (const [table, facts] of factsByTable) {
      this.#events.inc({ chain, table, part }, facts);
      this.#facts.set(chain, (this.#facts.get(chain) ?? 0) + facts);
    }
    this.#blocks.inc({ chain, part }, blocks);
    this.#commits.observe({ chain, part }, seconds);
  }

  /** Returns the number of facts of a chain that this process wrote. */
  factsOf(chainId: number): number {
    return this.#facts.get(String(chainId)) ?? 0;
  }

  /** Counts the calls of a request to an endpoint. */
  requested({ chain: chainId, endpoint, method, outcome, calls, seconds }: Request): void {
    const chain = String(chainId);
    const failed = !GOOD_OUTCOMES.includes(outcome);
    this.#calls.inc({ chain, endpoint, method, outcome }, calls);
    this.#requestSeconds.observe({ chain, endpoint, method }, seconds);
    this.#platformRequests.inc({ network: chain, method }, calls);
    this.#platformSeconds.observe({ network: chain }, seconds);
    if (failed) this.#platformErrors.inc({ network: chain, error: outcome }, calls);
    const key = `${chain} ${endpoint}`;
    const total = this.#endpointCalls.get(key) ?? { calls: 0, failedCalls: 0 };
    total.calls += calls;
    if (failed) total.failedCalls += calls;
    this.#endpointCalls.set(key, total);
  }

  /** Returns how many calls this process sent to an endpoint of a chain, and how many of them failed. */
  callsOf(chainId: number, endpoint: string): { readonly calls: number; readonly failedCalls: number } {
    return { calls: 0, failedCalls: 0, ...this.#endpointCalls.get(`${chainId} ${endpoint}`) };
  }

  /**
   * Creates the alarm counters of a chain with the value 0. A counter that first appears with its first alarm would hide that alarm,
   * because Prometheus only notices an increase over an earlier value.
   *
   * @param severities the severity of each event, by its name
   */
  showAlarms(chainId: number, severities: Readonly<Record<string, string>>): void {
    const chain = String(chainId);
    for (const [event, severity] of Object.entries(severities))
      this.#administrativeEvents.inc({ chain, event, severity }, 0);
    this.#largeClaims.inc({ chain }, 0);
    for (const part of ['head', 'history']) this.#events.inc({ chain, table: 'dead_letters', part }, 0);
  }

  /** Counts an administrative event. */
  administrativeEvent(chainId: number, event: string, severity: string): void {
    this.#administrativeEvents.inc({ chain: String(chainId), event, severity });
  }

  /** Counts a claim of at least the configured amount (`largeClaimWei`). */
  largeClaim(chainId: number): void {
    this.#largeClaims.inc({ chain: String(chainId) });
  }

  /** Counts a database statement. */
  queried(seconds: number): void {
    this.#queries.observe(seconds);
  }

  /** Exports how many connections of the database pools are in use or idle, and how many requests wait for one, as of each scrape. */
  showPools(pools: readonly PoolCounts[]): void {
    const sum = (count: (pool: PoolCounts) => number) => pools.reduce((total, pool) => total + count(pool), 0);
    const show = (state: string, help: string, count: (pool: PoolCounts) => number) =>
      new Gauge({
        name: `db_connections_${state}`,
        help,
        ...this.#options,
        collect() {
          this.set(sum(count));
        },
      });
    show('active', 'Database connections in use.', ({ totalCount, idleCount }) => totalCount - idleCount);
    show('idle', 'Open database connections that nobody uses.', ({ idleCount }) => idleCount);
    show('waiting', 'Requests that wait for a database connection.', ({ waitingCount }) => waitingCount);
  }
}
