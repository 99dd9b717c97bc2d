import type { Database } from '../db/database.ts';
import { contractIndex } from '../decode/contract-index.ts';
import { commitFill } from '../ingest/commit-fill.ts';
import { fetchBatch } from '../ingest/fetch-batch.ts';
import type { Contract } from '../kernel/chain.ts';
import { messageOf, StaleRange } from '../kernel/errors.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { blockAt } from '../progress/checkpoints.ts';
import { coverageGaps } from '../progress/coverage.ts';
import type { Source } from '../source/source.ts';
import { type Fill, planFills } from './plan-fills.ts';

/** A contract whose history can be read, and whether a former indexer left facts of it. */
export type FillableContract = Contract & { readonly formerFacts: boolean };

export type FillerDeps = {
  readonly chainId: number;
  readonly database: Database;
  readonly source: Source;
  readonly log: Logger;
  /** Contracts whose deployment is known and whose logs can be decoded. */
  readonly loadContracts: () => Promise<readonly FillableContract[]>;
  readonly onCommit?: (commit: { readonly to: number; readonly facts: number }) => void;
};

const FINAL_SPAN_BLOCKS = 2_000;
const FINAL_SPAN_LOGS = 20_000;
const STRICT_SPAN_BLOCKS = 32;
/** Gaps are sought at least so often, also where nobody told of a new contract. */
const LOOK_INTERVAL_MS = 15_000;
const RETRY_DELAY_MIN_MS = 200;
const RETRY_DELAY_MAX_MS = 15_000;

/** Fills gaps of coverage below the head, one range after another, for as long as there are any. */
export class Filler {
  readonly #deps: FillerDeps;
  #waking = new AbortController();

  constructor(deps: FillerDeps) {
    this.#deps = deps;
  }

  /** There may be new gaps: look now. */
  wake(): void {
    this.#waking.abort();
  }

  /** Works until the signal aborts. Never throws: what fails is logged and tried again with growing pauses. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      this.#waking = new AbortController();
      try {
        await this.fillAll(signal);
        failures = 0;
        await sleep(LOOK_INTERVAL_MS, AbortSignal.any([signal, this.#waking.signal]));
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StaleRange)) {
          failures += 1;
          this.#deps.log.warn({ chain: this.#deps.chainId, err: error }, `cannot fill history: ${messageOf(error)}`);
        }
        await sleep(
          Math.min(RETRY_DELAY_MAX_MS, RETRY_DELAY_MIN_MS * 2 ** failures) * (0.5 + Math.random() / 2),
          signal,
        );
      }
    }
  }

  /** Fills everything that is missing as of now. */
  async fillAll(signal: AbortSignal): Promise<void> {
    const { database, chainId } = this.#deps;
    const seen = await readChain(database.kysely, chainId);
    if (seen.head === undefined) return;
    const contracts = new Map(
      (await this.#deps.loadContracts()).map((contract) => [`${contract.kind} ${contract.address}`, contract]),
    );
    const gaps = await coverageGaps(database.kysely, chainId, seen.head.number);
    const fillable = gaps.filter(({ kind, address }) => contracts.has(`${kind} ${address}`));
    const limits = { finalized: seen.finalized ?? -1, finalSpan: FINAL_SPAN_BLOCKS, strictSpan: STRICT_SPAN_BLOCKS };
    for (const fill of planFills(fillable, limits)) {
      const named = fill.contracts.flatMap(({ kind, address }) => contracts.get(`${kind} ${address}`) ?? []);
      for (let from = fill.from; from <= fill.to && !signal.aborted; ) {
        from = (await this.#fill({ ...fill, from }, named, seen, signal)) + 1;
      }
      if (signal.aborted) return;
    }
  }

  /** Fills a stretch, or its beginning where it holds many logs; returns the last block filled. */
  async #fill(
    fill: Fill,
    contracts: readonly FillableContract[],
    seen: ChainState,
    signal: AbortSignal,
  ): Promise<number> {
    const { database, source, chainId, log } = this.#deps;
    const { from, to, strict } = fill;
    const tip = await blockAt(database.kysely, chainId, to);
    const { range, batch } = await fetchBatch(
      source,
      contractIndex(contracts),
      { from, to, strict, tip, maxLogs: FINAL_SPAN_LOGS },
      signal,
    );
    const facts = await commitFill(database, {
      seen,
      range,
      batch,
      contracts: fill.contracts,
      former: contracts.filter(({ formerFacts }) => formerFacts),
    });
    this.#deps.onCommit?.({ to: range.to, facts });
    log.debug({ chain: chainId, from, to: range.to, facts, contracts: fill.contracts.length }, 'filled');
    return range.to;
  }
}
