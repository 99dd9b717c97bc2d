import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { deferIndexes } from '../db/deferred-indexes.ts';
import { transaction } from '../db/transaction.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { readChain } from '../progress/chains.ts';
import { type BackfillQueue, type FillJob, jobId } from './queue.ts';
import { forgetFilled, settleRequests } from './requests.ts';
import { findGaps, type Gaps, type Wish } from './wish.ts';

/** How many jobs are in the queue at a time: enough for many workers, and nothing in memory however long the plan. */
export const WINDOW_JOBS = 64;
/** Blocks of one job: as many jobs as fit into the window, within these bounds. */
const SPAN_MIN_BLOCKS = 2_000;
const SPAN_MAX_BLOCKS = 50_000;

/** What is shorter is no load that dropping and building indexes would pay for. */
const LOAD_MIN_BLOCKS = 1_000;

const REMEMBERED_RANGES_MAX = 4 * WINDOW_JOBS;

/** What a plan is for; every process plans what it knows of. */
export type PlanScope = Pick<Wish, 'standing' | 'request'>;

/**
 * Cuts gaps into no more than `count` jobs, the oldest blocks first. Pure.
 *
 * @param blocks how many blocks are missing in all, which decides how large a job is
 */
export function cutGaps(gaps: readonly BlockRange[], blocks: number, count: number): readonly BlockRange[] {
  const span = Math.min(SPAN_MAX_BLOCKS, Math.max(SPAN_MIN_BLOCKS, Math.ceil(blocks / WINDOW_JOBS)));
  const jobs: BlockRange[] = [];
  for (const { from, to } of gaps) {
    for (let next = from; next <= to; next += span) {
      if (jobs.length === count) return jobs;
      jobs.push({ from: next, to: Math.min(to, next + span - 1) });
    }
  }
  return jobs;
}

function distinct(ranges: readonly BlockRange[]): readonly BlockRange[] {
  return [...new Map(ranges.map((range) => [`${range.from}-${range.to}`, range])).values()];
}

/** What a look at the plan found: jobs are in the queue, nothing to do, no head yet to plan up to, or another process that plans right now. */
export type Planned = 'busy' | 'idle' | 'headless' | 'elsewhere';

/** Fills the queue's window from coverage, again and again; holds no plan of its own that could be lost. */
export class Planner {
  readonly #database: Database;
  readonly #chainId: number;
  readonly #scope: PlanScope;
  /** How often a range was added; of the newest ranges only. */
  readonly #added = new Map<string, number>();

  constructor(database: Database, chainId: number, scope: PlanScope) {
    this.#database = database;
    this.#chainId = chainId;
    this.#scope = scope;
  }

  /**
   * Tops the window up where it is half empty.
   *
   * The lock lasts for one look: of several processes one plans at a time, each what it knows of, and none has to notice
   * that another died.
   */
  async topUp(queue: BackfillQueue): Promise<Planned> {
    const before = await queue.pending();
    if (before.length > WINDOW_JOBS / 2) return 'busy';
    return transaction(this.#database, async (tx) => {
      const { rows } = await sql<{ locked: boolean }>`
        select pg_try_advisory_xact_lock(hashtextextended(${`indexer:plan:${this.#chainId}`}, 0)) as locked
      `.execute(tx);
      if (!rows[0]?.locked) return 'elsewhere';
      const chain = await readChain(tx, this.#chainId);
      await settleRequests(tx, this.#chainId);
      if (chain.head === undefined) return 'headless';
      // A job that moves from one state to another between two questions is in neither answer: it is looked for twice.
      const pending = distinct([...before, ...(await queue.pending())]);
      const wish: Wish = { chainId: this.#chainId, head: chain.head.number, ...this.#scope };
      const gaps = await findGaps(tx, wish, pending, WINDOW_JOBS);
      await this.#beginLoad(gaps);
      const ranges = cutGaps(gaps.ranges, gaps.blocks, Math.max(0, WINDOW_JOBS - pending.length));
      await queue.add(this.#identified(ranges, chain.epoch));
      if (ranges.length + pending.length > 0) return 'busy';
      await forgetFilled(tx, this.#chainId);
      return 'idle';
    });
  }

  /** Before anything is written: where much is missing from tables that hold nothing, their readers' indexes are built at the end. */
  async beginLoad(head: number): Promise<void> {
    const wish: Wish = { chainId: this.#chainId, head, ...this.#scope };
    await this.#beginLoad(await findGaps(this.#database.kysely, wish, [], 1));
  }

  async #beginLoad({ blocks }: Gaps): Promise<void> {
    if (blocks >= LOAD_MIN_BLOCKS) await deferIndexes(this.#database);
  }

  /** A range that was added before, is still missing and is not in the queue any more goes by another id. */
  #identified(ranges: readonly BlockRange[], epoch: number) {
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
