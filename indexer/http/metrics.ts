import { Counter, Gauge, type Registry } from 'prom-client';
import type { BlockRange } from '../kernel/ranges.ts';
import { within } from '../kernel/sleep.ts';
import { type ChainView, lagBlocksOf, lagSecondsOf } from './chain-view.ts';

/** A scrape reads the status of the chains again if the last read was longer ago than this. A read can take as long as `indexer status`. */
const STATUS_AGE_MAX_MS = 15_000;
/** How long a scrape waits for the status of the chains. Prometheus gives up after ten seconds. */
const STATUS_WAIT_MS = 5_000;
/** The metrics of chains are left out once they are older than this. Until then, a slow database does not interrupt pending alerts. */
const STATUS_KEPT_MS = 120_000;

/**
 * A metric with one value for each chain or, if `label` is set, several values for each chain that differ in this label. `value` returns
 * null if there is none yet.
 */
type ChainMetric = {
  readonly kind: typeof Counter | typeof Gauge;
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  readonly value: (chain: ChainView, now: Date) => number | null | Readonly<Record<string, number>>;
};

const seconds = (time: Date | null | undefined) => (time == null ? null : time.getTime() / 1_000);

/** The metrics of each chain, which have the label `chain`. A metric that counts since the database was created is a counter. */
const CHAIN_METRICS: readonly ChainMetric[] = [
  gauge('configured', 'Whether this process runs the chain.', ({ live }) => (live === null ? 0 : 1)),
  gauge('following', 'Whether a process follows the chain.', ({ status }) => (status === 'following' ? 1 : 0)),
  gauge('halted', 'Whether the chain waits for an operator.', ({ status }) => (status === 'halted' ? 1 : 0)),
  gauge('head_block', 'The newest committed block.', ({ head }) => head?.number ?? null),
  gauge('head_moved_timestamp_seconds', 'When the head last moved.', ({ updatedAt }) => seconds(updatedAt)),
  gauge('remote_head_block', 'The newest block that an endpoint knows.', ({ live }) => live?.remoteHead ?? null),
  gauge('lag_blocks', 'Blocks between the committed head and that of the chain.', lagBlocksOf),
  gauge('lag_seconds', 'Age of the committed head. 0 if it is that of the chain.', lagSecondsOf),
  gauge('finalized_block', 'The newest final block.', ({ finalized }) => finalized),
  gauge('complete_block', 'The block up to which no contract has a gap.', ({ completeTo }) => completeTo),
  gauge('proved_block', 'The block up to which every fact was compared with the headers.', ({ provedTo }) => provedTo),
  gauge(
    'unproved_ranges',
    'Ranges that could not be proved, counted up to 20.',
    ({ failedProofs }) => failedProofs.length,
  ),
  gauge('contracts_active', 'Contracts that are followed.', ({ contracts }) => contracts.active),
  gauge('contracts_complete', 'Followed contracts without gaps up to the head.', ({ contracts }) => contracts.complete),
  gauge('coverage_gaps', 'Gaps in the history of followed contracts.', ({ gaps }) =>
    gaps.reduce((count, contract) => count + contract.gaps.length, 0),
  ),
  gauge('missing_blocks', 'Blocks of history that contracts lack, added up over contracts.', ({ gaps }) =>
    gaps.reduce((blocks, contract) => blocks + countBlocks(contract.gaps), 0),
  ),
  gauge('contracts_quarantined', 'Contracts that are set aside.', ({ contracts }) => contracts.quarantined),
  gauge(
    'contradictions',
    'Contradictions between facts that receipts do not explain, counted up to 100.',
    ({ contradictions }) => contradictions.filter(({ status }) => status !== 'property').length,
  ),
  gauge('dead_letters', 'Logs and ranges that were set aside.', ({ deadLetters }) => deadLetters),
  labelled('rpc_range_blocks', 'endpoint', 'Blocks that an endpoint takes in one range of logs.', ({ live }) =>
    Object.fromEntries((live?.endpoints ?? []).map(({ endpoint, rangeBlocks }) => [endpoint, rangeBlocks])),
  ),
  labelled('rpc_endpoint_up', 'endpoint', 'Whether this process uses an endpoint.', ({ live }) =>
    Object.fromEntries((live?.endpoints ?? []).map(({ endpoint, status }) => [endpoint, status === 'healthy' ? 1 : 0])),
  ),
  labelled(
    'rpc_budget_spent_ratio',
    'endpoint',
    'Part of its monthly budget that all processes have spent.',
    ({ live }) =>
      Object.fromEntries(
        (live?.endpoints ?? []).flatMap(({ endpoint, budget }) =>
          budget ? [[endpoint, budget.spent / budget.limit]] : [],
        ),
      ),
  ),
  labelled('queue_jobs', 'state', 'Ranges of history in the queue.', ({ live }) => live?.queue ?? null),
  gauge('stopped_stages', 'Stages that stopped.', ({ stages }) => countStopped(stages)),
  gauge('dividend_anomalies', 'Dividends that contradict each other.', ({ dividendAnomalies }) => dividendAnomalies),
  gauge(
    'verify_differences',
    'Differences that the newest scheduled verification found.',
    ({ verification }) => verification?.differences ?? null,
  ),
  gauge(
    'verify_failed',
    'Whether the newest scheduled verification could not be carried out.',
    ({ verification }) => verification && (verification.failedReason === null ? 0 : 1),
  ),
  gauge('verify_finished_timestamp_seconds', 'When the newest scheduled verification ended.', ({ verification }) =>
    seconds(verification?.finishedAt),
  ),
  {
    ...counter('reorgs_total', 'Reorgs by depth in blocks.', ({ reorgsByDepth }) => reorgsByDepth),
    label: 'depth',
  },
  counter('repairs_total', 'Repairs of facts.', ({ repairs }) => repairs),
];

function gauge(name: string, help: string, value: ChainMetric['value']): ChainMetric {
  return { kind: Gauge, name: `indexer_${name}`, help, value };
}

function labelled(name: string, label: string, help: string, value: ChainMetric['value']): ChainMetric {
  return { ...gauge(name, help, value), label };
}

function counter(name: string, help: string, value: ChainMetric['value']): ChainMetric {
  return { kind: Counter, name: `indexer_${name}`, help, value };
}

function countBlocks(ranges: readonly BlockRange[]): number {
  return ranges.reduce((blocks, { from, to }) => blocks + to - from + 1, 0);
}

function countStopped(stages: ChainView['stages']): number {
  return stages.filter(({ failedReason }) => failedReason !== null).length;
}

/** The metrics of a process in the format of Prometheus: the chains of its database, and what the process itself does. */
export class Metrics {
  readonly #readChains: () => Promise<readonly ChainView[]>;
  readonly #now: () => number;
  readonly #registry: Registry;
  readonly #databaseUp: Gauge;
  readonly #chains: readonly { readonly metric: Counter | Gauge; readonly of: ChainMetric }[];
  #reading: Promise<'read'> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  /**
   * @param registry holds the metrics of the process. The metrics of chains are added to it.
   * @param now the time in milliseconds, which only increases
   */
  constructor(readChains: () => Promise<readonly ChainView[]>, registry: Registry, now: () => number) {
    this.#readChains = readChains;
    this.#registry = registry;
    this.#now = now;
    const registers = [registry];
    this.#databaseUp = new Gauge({
      name: 'indexer_database_up',
      help: 'Whether the database answers. Without it there are no metrics of chains.',
      registers,
    });
    this.#chains = CHAIN_METRICS.map((of) => {
      const { kind: Metric, name, help, label } = of;
      const labelNames = label === undefined ? ['chain'] : ['chain', label];
      return { metric: new Metric({ name, help, labelNames, registers }), of };
    });
  }

  /** The content type of the text. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /**
   * Returns the metrics as text. The metrics of chains may be 15 s old, or two minutes while the database is slow. They are left out if
   * reading them failed.
   */
  async text(): Promise<string> {
    if (this.#now() - this.#readAt > STATUS_AGE_MAX_MS) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      const isLate = (await within(STATUS_WAIT_MS, this.#reading)) === undefined;
      if (isLate && this.#now() - this.#readAt > STATUS_KEPT_MS) this.#show(undefined);
    }
    return this.#registry.metrics();
  }

  async #read(): Promise<'read'> {
    const chains = await this.#readChains().catch(() => undefined);
    this.#show(chains);
    if (chains !== undefined) this.#readAt = this.#now();
    return 'read';
  }

  /** Sets the metrics of chains. `chains` is undefined if the database does not answer. */
  #show(chains: readonly ChainView[] | undefined): void {
    this.#databaseUp.set(chains === undefined ? 0 : 1);
    const now = new Date();
    for (const { metric, of } of this.#chains) {
      metric.reset();
      for (const chain of chains ?? []) {
        const value = of.value(chain, now);
        if (value === null) continue;
        if (typeof value === 'number') metric.inc({ chain: chain.chainId }, value);
        else {
          for (const [name, amount] of Object.entries(value))
            metric.inc({ chain: chain.chainId, [of.label ?? 'name']: name }, amount);
        }
      }
    }
  }
}
