import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import type { BlockRef } from '../kernel/chain.ts';
import { messageOf } from '../kernel/errors.ts';
import { sleep } from '../kernel/sleep.ts';
import { readChain } from '../progress/chains.ts';
import { chainCompleteTo } from '../progress/contract-coverage.ts';
import { lockChain, tryLockStages } from '../progress/locks.ts';
import {
  deleteHistoryChanges,
  lowestHistoryChange,
  readStageRows,
  type StageRow,
  writeStageRow,
} from '../progress/stage-rows.ts';
import { newestKnownBlock, oldestKnownBlock } from '../protocols/known-blocks.ts';
import type { Stage } from './stage.ts';
import { runInSavepoint, type StageFailure, unwindStages } from './unwind-stages.ts';

/** The limits of a stride, the number of blocks by which a stage advances in one transaction. */
const STRIDE_BLOCKS_MIN = 100;
const STRIDE_BLOCKS_MAX = 50_000;
/** The intended duration of one transaction. An unwind of the chain must wait until the transaction ends. */
const STRIDE_MS = 1_000;
/** The pause before the next round while another process is advancing the stages. */
const BUSY_INTERVAL_MS = 50;

/** The input of one round, which advances or unwinds a chain's stages by one stride in one transaction. */
export type StageWork = {
  readonly chainId: number;
  readonly stages: readonly Stage[];
  /** The names of stages that failed and whose next attempt is not due yet. */
  readonly paused: ReadonlySet<string>;
  /** The number of blocks by which a stage moves at most. It moves further if the database has no block's hash within this distance. */
  readonly strideBlocks: number;
};

/** The block to which a stage advanced, and the number of rows it wrote. */
export type StageMove = { readonly name: string; readonly to: number; readonly rows: number };

/** The result of one round. */
export type StageRound = {
  /** Whether another process is advancing the stages, so that this round did nothing. */
  readonly busy: boolean;
  /** Whether the next round can start at once, because it has work to do. */
  readonly more: boolean;
  readonly moves: readonly StageMove[];
  readonly failures: readonly StageFailure[];
};

/**
 * Advances or unwinds the stages of a chain by one stride, in one transaction. Let L be the highest block up to which the history of all
 * contracts is complete and no change of it is recorded (`indexer.history_changes`). Stages that have passed L are unwound towards L. Once
 * no stage has passed L, all stages advance towards the highest block up to which the history of all contracts is complete.
 *
 * The transaction holds the chain's lock in shared mode, so the chain cannot be unwound between a stage's work and the update of the
 * stage's row in `indexer.stages`.
 * Only one process at a time advances the stages of a chain. If another process is doing so, this call does nothing.
 */
export async function advanceOnce(database: Database, work: StageWork): Promise<StageRound> {
  const { chainId } = work;
  return transaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'shared')]);
    if (!(await tryLockStages(tx, chainId))) return { busy: true, more: false, moves: [], failures: [] };
    const { head } = await readChain(tx, chainId);
    if (head === undefined) return { busy: false, more: false, moves: [], failures: [] };
    // Read `complete` and `changedFrom` before any fact. If a backfill commits later, either the stages see its facts, or the next round
    // finds the change of history that the backfill records.
    const complete = await chainCompleteTo(tx, chainId, head.number);
    const changedFrom = (await lowestHistoryChange(tx, chainId)) ?? Number.POSITIVE_INFINITY;
    const unchanged = Math.min(complete, changedFrom - 1);
    const { isDone, failures } = await unwindBeyond(tx, work, unchanged);
    if (!isDone) return { busy: false, more: true, moves: [], failures };
    await deleteHistoryChanges(tx, chainId, unchanged);
    const paused = new Set([...work.paused, ...failures.map(({ name }) => name)]);
    const advanced = await advanceAll(tx, { ...work, paused }, complete);
    return { busy: false, ...advanced, failures: [...failures, ...advanced.failures] };
  });
}

/** Advances each stage by one stride, at most to the block `complete`. */
async function advanceAll(tx: Transaction, work: StageWork, complete: number): Promise<Omit<StageRound, 'busy'>> {
  const { chainId, stages, paused, strideBlocks } = work;
  const rows = await readStageRows(tx, chainId);
  const moves: StageMove[] = [];
  const failures: StageFailure[] = [];
  let limit = complete;
  for (const stage of stages) {
    let row = rows.get(stage.name) ?? { name: stage.name, asOf: undefined, unwindPending: false, failedReason: null };
    if (!paused.has(stage.name)) {
      const to = await nextBlock(tx, chainId, row.asOf, limit, strideBlocks);
      const outcome = await advanceStage(tx, chainId, stage, row, to);
      if ('error' in outcome) failures.push(outcome);
      else {
        row = outcome.row;
        if (to !== undefined) moves.push({ name: stage.name, to: to.number, rows: outcome.written });
      }
    }
    // A later stage may read rows of this stage, so the later one must not move beyond this one.
    limit = Math.min(limit, row.asOf?.number ?? -1);
  }
  return { more: moves.some(({ to }) => to < complete), moves, failures };
}

/**
 * Advances a chain's stages until no work is left. Other processes may do the same at the same time.
 *
 * @returns the stages that failed. Each of them stopped at the block before its failure.
 */
export async function advanceStages(
  database: Database,
  work: Omit<StageWork, 'paused' | 'strideBlocks'>,
  stride: Stride,
): Promise<readonly StageFailure[]> {
  const failures: StageFailure[] = [];
  for (;;) {
    const paused = new Set(failures.map(({ name }) => name));
    const {
      busy,
      more,
      moves,
      failures: failed,
    } = await stride.measure((strideBlocks) => advanceOnce(database, { ...work, paused, strideBlocks }));
    failures.push(...failed);
    if (busy) await sleep(BUSY_INTERVAL_MS);
    else if (!more && moves.length === 0 && failed.length === 0) return failures;
  }
}

/** Adjusts the number of blocks by which stages move, so that a transaction takes about `STRIDE_MS`. */
export class Stride {
  readonly #now: () => number;
  #blocks: number;

  constructor(now: () => number, blocks = STRIDE_BLOCKS_MIN) {
    this.#now = now;
    this.#blocks = blocks;
  }

  /** Runs one round with the current stride, and adjusts the next stride to the duration of the round. */
  async measure(runRound: (strideBlocks: number) => Promise<StageRound>): Promise<StageRound> {
    const begunAt = this.#now();
    const round = await runRound(this.#blocks);
    const tookMs = this.#now() - begunAt;
    if (tookMs > STRIDE_MS) this.#blocks = Math.max(STRIDE_BLOCKS_MIN, Math.floor(this.#blocks / 2));
    else if (tookMs < STRIDE_MS / 4 && round.more) this.#blocks = Math.min(STRIDE_BLOCKS_MAX, this.#blocks * 2);
    return round;
  }
}

/** Unwinds the stages that have passed a block by one stride. `isDone` is true if no stage is beyond the block any more. */
async function unwindBeyond(
  tx: Transaction,
  { chainId, stages, strideBlocks }: StageWork,
  block: number,
): Promise<{ readonly isDone: boolean; readonly failures: readonly StageFailure[] }> {
  const rows = [...(await readStageRows(tx, chainId)).values()];
  const highest = Math.max(...rows.map(({ asOf }) => asOf?.number ?? -1));
  if (highest <= block) return { isDone: true, failures: [] };
  const to = Math.max(block, highest - strideBlocks);
  const failures = await unwindStages(tx, chainId, await newestKnownBlock(tx, chainId, to), stages);
  return { isDone: to === block, failures };
}

/** Returns the block to which a stage advances next. Undefined if the database has the hash of no block above `asOf`, up to `limit`. */
async function nextBlock(
  tx: Transaction,
  chainId: number,
  asOf: BlockRef | undefined,
  limit: number,
  strideBlocks: number,
): Promise<BlockRef | undefined> {
  const from = asOf?.number ?? -1;
  if (limit <= from) return undefined;
  const inStride = await newestKnownBlock(tx, chainId, Math.min(limit, from + strideBlocks));
  if (inStride !== undefined && inStride.number > from) return inStride;
  // No block within `strideBlocks` has a known hash, so the stage moves to the first block above them whose hash is known.
  const afterStride = await oldestKnownBlock(tx, chainId, from + 1);
  return afterStride !== undefined && afterStride.number <= limit ? afterStride : undefined;
}

type Advanced = { readonly row: StageRow; readonly written: number };

/** Advances one stage and writes its row with the new block or the reason of the failure. */
async function advanceStage(
  tx: Transaction,
  chainId: number,
  stage: Stage,
  row: StageRow,
  to: BlockRef | undefined,
): Promise<Advanced | StageFailure> {
  const next = { ...row, asOf: to ?? row.asOf, unwindPending: false, failedReason: null };
  let written = 0;
  const failure = await runInSavepoint(tx, stage, async () => {
    if (row.unwindPending) await stage.unwind(tx, chainId, row.asOf?.number ?? -1);
    if (to !== undefined) written = await stage.advance(tx, { chainId, from: row.asOf, to });
  });
  if (failure !== undefined) {
    await writeStageRow(tx, chainId, { ...row, failedReason: messageOf(failure.error) });
    return failure;
  }
  if (to !== undefined || row.unwindPending || row.failedReason !== null) await writeStageRow(tx, chainId, next);
  return { row: next, written };
}
