import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { deferIndexes } from '../db/deferred-indexes.ts';
import { transaction } from '../db/transaction.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { readChain } from '../progress/chains.ts';
import { describedTables, loadedTables } from '../protocols/protocols.ts';
import { findGaps, type Gaps, type WantedHistory } from './missing-work.ts';
import { type BackfillQueue, type FillJob, jobId } from './queue.ts';
import { deleteCoveredFailures, settleRequests } from './requests.ts';

/** Maximum number of jobs in the queue: enough for many workers, and independent of how much is missing. */
export const WINDOW_JOBS = 64;
/**
 * The limits of the number of blocks of a job. Between them, it is the number of missing blocks divided by `WINDOW_JOBS`. The last job of a
 * gap may be smaller.
 */
const JOB_MIN_BLOCKS = 4_000;
const JOB_MAX_BLOCKS = 50_000;

/** If fewer blocks than this are missing, no indexes are dropped, because building them again would cost more than the load saves. */
const LOAD_MIN_BLOCKS = 1_000;

const REMEMBERED_RANGES_MAX = 4 * WINDOW_JOBS;

/** The blocks for which a process adds jobs: those of one or all running requests. With `standing` also all since each deployment. */
export type PlanScope = Pick<WantedHistory, 'standing' | 'request'>;

/**
 * Cuts gaps into at most `count` jobs, the oldest blocks first. Pure.
 *
 * @param blocks how many blocks are missing in total, which decides the size of a job
 */
export function cutGaps(gaps: readonly BlockRange[], blocks: number, count: number): readonly BlockRange[] {
  const jobBlocks = Math.min(JOB_MAX_BLOCKS, Math.max(JOB_MIN_BLOCKS, Math.ceil(blocks / WINDOW_JOBS)));
  const jobs: BlockRange[] = [];
  for (const { from, to } of gaps) {
    for (let next = from; next <= to; next += jobBlocks) {
      if (jobs.length === count) return jobs;
      jobs.push({ from: next, to: Math.min(to, next + jobBlocks - 1) });
    }
  }
  return jobs;
}

function distinct(ranges: readonly BlockRange[]): readonly BlockRange[] {
  return [...new Map(ranges.map((range) => [`${range.from}-${range.to}`, range])).values()];
}

/** The result of planning: jobs are queued, nothing is missing, the chain has no head yet, or another process is planning. */
export type PlanOutcome = 'busy' | 'idle' | 'no head' | 'planned elsewhere';

/**
 * Keeps a limited number of jobs in the queue and adds more when half of them are done. Each time, the missing blocks are computed
 * from the coverage in the database, so that a job that is lost is planned again.
 */
export class Planner {
  readonly #database: Database;
  readonly #chainId: number;
  readonly #scope: PlanScope;
  /** The attempt number in the job id of each of the most recently added ranges. */
  readonly #added = new Map<string, number>();

  constructor(database: Database, chainId: number, scope: PlanScope) {
    this.#database = database;
    this.#chainId = chainId;
    this.#scope = scope;
  }

  /**
   * Adds jobs to the queue if it holds at most half of `WINDOW_JOBS`.
   *
   * An advisory lock lets only one process plan at a time. It is released with the transaction, even if the process dies.
   */
  async topUp(queue: BackfillQueue): Promise<PlanOutcome> {
    const before = await queue.pending();
    if (before.length > WINDOW_JOBS / 2) return 'busy';
    return transaction(this.#database, async (tx) => {
      const { rows } = await sql<{ locked: boolean }>`
        select pg_try_advisory_xact_lock(hashtextextended(${`indexer:plan:${this.#chainId}`}, 0)) as locked
      `.execute(tx);
      if (!rows[0]?.locked) return 'planned elsewhere';
      const chain = await readChain(tx, this.#chainId);
      await settleRequests(tx, this.#chainId);
      if (chain.head === undefined) return 'no head';
      // A single read can miss a job that moves from one state to another meanwhile, so read twice.
      const pending = distinct([...before, ...(await queue.pending())]);
      const wanted: WantedHistory = { chainId: this.#chainId, head: chain.head.number, ...this.#scope };
      const gaps = await findGaps(tx, wanted, pending, WINDOW_JOBS);
      await this.#beginLoad(gaps);
      const ranges = cutGaps(gaps.ranges, gaps.blocks, Math.max(0, WINDOW_JOBS - pending.length));
      await queue.add(this.#withIds(ranges, chain.epoch));
      if (ranges.length + pending.length > 0) return 'busy';
      await deleteCoveredFailures(tx, this.#chainId);
      return 'idle';
    });
  }

  /** If many blocks are missing, drops the indexes that only readers use, for the time of the load. Has no effect once facts are stored. */
  async beginLoad(head: number): Promise<void> {
    const wanted: WantedHistory = { chainId: this.#chainId, head, ...this.#scope };
    await this.#beginLoad(await findGaps(this.#database.kysely, wanted, [], 1));
  }

  async #beginLoad({ blocks }: Gaps): Promise<void> {
    if (blocks >= LOAD_MIN_BLOCKS) await deferIndexes(this.#database, describedTables, loadedTables);
  }

  /** Gives each range a job id. A range that was added before gets another id, because BullMQ may still know the old one. */
  #withIds(ranges: readonly BlockRange[], epoch: number) {
    const jobs = ranges.map(({ from, to }) => {
      const job: FillJob = { chainId: this.#chainId, from, to, standing: this.#scope.standing };
      const key = `${from}-${to}`;
      const attempt = (this.#added.get(key) ?? -1) + 1;
      this.#added.delete(key);
      this.#added.set(key, attempt);
      return { id: jobId(job, epoch, attempt), job };
    });
    for (const key of this.#added.keys()) {
      if (this.#added.size <= REMEMBERED_RANGES_MAX) break;
      this.#added.delete(key);
    }
    return jobs;
  }
}
