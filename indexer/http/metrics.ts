import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { within } from '../kernel/sleep.ts';
import type { ChainStatus } from '../progress/status.ts';

/** The status is read again for a scrape after this long. Reading it takes as long as `indexer status`. */
const STATUS_AGE_MAX_MS = 15_000;
/** How long a scrape waits for the status. Prometheus gives up after ten seconds. */
const STATUS_WAIT_MS = 5_000;

/** A number of each chain. Null where there is none yet. */
type ChainMetric = {
  readonly kind: typeof Counter | typeof Gauge;
  readonly name: string;
  readonly help: string;
  readonly value: (chain: ChainStatus) => number | null;
};

const seconds = (time: Date | null | undefined) => (time == null ? null : time.getTime() / 1_000);

/** The metrics of each chain, which have the label `chain`. Those that count since the database was created are counters. */
const CHAIN_METRICS: readonly ChainMetric[] = [
  gauge('following', 'Whether a process follows the chain.', ({ status }) => (status === 'following' ? 1 : 0)),
  gauge('halted', 'Whether the chain waits for an operator.', ({ status }) => (status === 'halted' ? 1 : 0)),
  gauge('head_block', 'The newest committed block.', ({ head }) => head?.number ?? null),
  gauge('head_moved_timestamp_seconds', 'When the head last moved.', ({ updatedAt }) => seconds(updatedAt)),
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
  gauge('contracts_quarantined', 'Contracts that are set aside.', ({ contracts }) => contracts.quarantined),
  gauge(
    'contradictions',
    'Contradictions between facts, counted up to 100.',
    ({ contradictions }) => contradictions.length,
  ),
  gauge('dead_letters', 'Logs and ranges that were set aside.', ({ deadLetters }) => deadLetters),
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
  counter('reorgs_total', 'Reorgs.', ({ reorgs }) => reorgs),
  counter('repairs_total', 'Repairs of facts.', ({ repairs }) => repairs),
];

function gauge(name: string, help: string, value: ChainMetric['value']): ChainMetric {
  return { kind: Gauge, name: `indexer_${name}`, help, value };
}

function counter(name: string, help: string, value: ChainMetric['value']): ChainMetric {
  return { kind: Counter, name: `indexer_${name}`, help, value };
}

function countStopped(stages: ChainStatus['stages']): number {
  return stages.filter(({ failedReason }) => failedReason !== null).length;
}

/** The metrics of a process in the format of Prometheus: the chains of its database, and the process itself. */
export class Metrics {
  readonly #readStatus: () => Promise<readonly ChainStatus[]>;
  readonly #now: () => number;
  readonly #registry = new Registry();
  readonly #databaseUp = new Gauge({
    name: 'indexer_database_up',
    help: 'Whether the database answers. Without it there are no metrics of chains.',
    registers: [this.#registry],
  });
  readonly #chains = CHAIN_METRICS.map(({ kind: Metric, name, help, value }) => ({
    metric: new Metric({ name, help, labelNames: ['chain'], registers: [this.#registry] }),
    value,
  }));
  #reading: Promise<'read'> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  /** @param now the time in milliseconds, which only increases */
  constructor(readStatus: () => Promise<readonly ChainStatus[]>, now: () => number) {
    this.#readStatus = readStatus;
    this.#now = now;
    collectDefaultMetrics({ register: this.#registry });
  }

  /** The content type of the text. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Returns the metrics as text. Those of chains may be 15 s old, and are left out while the database does not answer. */
  async text(): Promise<string> {
    if (this.#now() - this.#readAt > STATUS_AGE_MAX_MS) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      if ((await within(STATUS_WAIT_MS, this.#reading)) === undefined) this.#show(undefined);
    }
    return this.#registry.metrics();
  }

  async #read(): Promise<'read'> {
    const chains = await this.#readStatus().catch(() => undefined);
    this.#show(chains);
    if (chains !== undefined) this.#readAt = this.#now();
    return 'read';
  }

  /** Sets the metrics of chains. Undefined if the database does not answer. */
  #show(chains: readonly ChainStatus[] | undefined): void {
    this.#databaseUp.set(chains === undefined ? 0 : 1);
    for (const { metric, value } of this.#chains) {
      metric.reset();
      for (const chain of chains ?? []) {
        const amount = value(chain);
        if (amount !== null) metric.inc({ chain: chain.chainId }, amount);
      }
    }
  }
}
