import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** A commit of facts: at the head, or of history. */
type Commit = {
  readonly chainId: number;
  readonly part: 'head' | 'history';
  /** The number of blocks. */
  readonly blocks: number;
  readonly factsByTable: ReadonlyMap<string, number>;
  readonly seconds: number;
};

/** The connections of a pool: in all, those that nobody uses, and the requests that wait for one. */
type PoolCounts = { readonly totalCount: number; readonly idleCount: number; readonly waitingCount: number };

const COMMIT_SECONDS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const QUERY_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30];

/** What a process has done since it started, for Prometheus. The names without `indexer_` are those that the platform's services use. */
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
    help: 'Duration of database statements outside batches.',
    buckets: QUERY_SECONDS,
    ...this.#options,
  });
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

  /** Counts a database statement. */
  queried(seconds: number): void {
    this.#queries.observe(seconds);
  }

  /** Shows the connections of pools at the time of each scrape. */
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
