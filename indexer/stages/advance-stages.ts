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
import { isolated, type StageFailure, unwindStages } from './unwind-stages.ts';

/** Blocks that stages move over in one transaction: as many as they manage in the time that an unwind of the chain may wait. */
const STRIDE_BLOCKS_MIN = 100;
const STRIDE_BLOCKS_MAX = 50_000;
const STRIDE_MS = 1_000;
/** How soon to look again for stages that another process is advancing. */
const BUSY_INTERVAL_MS = 50;

/** The work of one look at a chain's stages. */
export type StageWork = {
  readonly chainId: number;
  readonly stages: readonly Stage[];
  /** The names of stages that failed and are not to be tried yet. */
  readonly paused: ReadonlySet<string>;
  /** Blocks that a stage moves over at most. */
  readonly strideBlocks: number;
};

/** A stage's move to another block. */
export type StageMove = { readonly name: string; readonly to: number; readonly rows: number };

/** What one look did. */
export type StageRound = {
  /** Another process is advancing the stages. */
  readonly busy: boolean;
  /** More is left to do at once. */
  readonly more: boolean;
  readonly moves: readonly StageMove[];
  readonly failures: readonly StageFailure[];
};

/**
 * Moves the stages of a chain by one stride, in one transaction: back towards the highest block up to which the contracts are
 * complete and history did not change, where a stage is beyond it, else forward towards the highest complete block.
 *
 * The chain's lock is shared all along, so no unwind comes between a stage's work and the move of its row. One process at a
 * time does this for a chain; where another one does, nothing happens.
 */
export async function advanceOnce(database: Database, work: StageWork): Promise<StageRound> {
  const { chainId } = work;
  return transaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'shared')]);
    if (!(await tryLockStages(tx, chainId))) return { busy: true, more: false, moves: [], failures: [] };
    const { head } = await readChain(tx, chainId);
    if (head === undefined) return { busy: false, more: false, moves: [], failures: [] };
    // Read before any fact: a fill that commits from now on is seen, or leaves a note for the next look.
    const complete = await chainCompleteTo(tx, chainId, head.number);
    const changedFrom = (await lowestHistoryChange(tx, chainId)) ?? Number.POSITIVE_INFINITY;
    const unchanged = Math.min(complete, changedFrom - 1);
    const { isDone, failures } = await takeBack(tx, work, unchanged);
    if (!isDone) return { busy: false, more: true, moves: [], failures };
    await deleteHistoryChanges(tx, chainId, unchanged);
    const paused = new Set([...work.paused, ...failures.map(({ name }) => name)]);
    const advanced = await advanceAll(tx, { ...work, paused }, complete);
    return { busy: false, ...advanced, failures: [...failures, ...advanced.failures] };
  });
}

/** Moves each stage one stride forward, up to a block. */
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
    // A later stage may read what this one wrote.
    limit = Math.min(limit, row.asOf?.number ?? -1);
  }
  return { more: moves.some(({ to }) => to < complete), moves, failures };
}

/**
 * Advances a chain's stages until nothing is left to do, beside whichever process does the same.
 *
 * @returns the stages that failed, each of which stopped where it did.
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

/** Finds out over how many blocks stages move within the time that one transaction may take. */
export class Stride {
  readonly #now: () => number;
  #blocks: number;

  constructor(now: () => number, blocks = STRIDE_BLOCKS_MIN) {
    this.#now = now;
    this.#blocks = blocks;
  }

  /** Runs one look with the stride of now, and chooses the next by the time that it took. */
  async measure(look: (strideBlocks: number) => Promise<StageRound>): Promise<StageRound> {
    const begunAt = this.#now();
    const round = await look(this.#blocks);
    const tookMs = this.#now() - begunAt;
    if (tookMs > STRIDE_MS) this.#blocks = Math.max(STRIDE_BLOCKS_MIN, Math.floor(this.#blocks / 2));
    else if (tookMs < STRIDE_MS / 4 && round.more) this.#blocks = Math.min(STRIDE_BLOCKS_MAX, this.#blocks * 2);
    return round;
  }
}

/** Takes back the stages that are beyond a block, by one stride. Tells whether all of them are back. */
async function takeBack(
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

/** Returns the block to which a stage advances next; undefined where it is at the limit, or no block up to there is known. */
async function nextBlock(
  tx: Transaction,
  chainId: number,
  asOf: BlockRef | undefined,
  limit: number,
  strideBlocks: number,
): Promise<BlockRef | undefined> {
  const from = asOf?.number ?? -1;
  if (limit <= from) return undefined;
  const within = await newestKnownBlock(tx, chainId, Math.min(limit, from + strideBlocks));
  if (within !== undefined && within.number > from) return within;
  // Nothing is known of the stride: no contract has a fact in it.
  const beyond = await oldestKnownBlock(tx, chainId, from + 1);
  return beyond !== undefined && beyond.number <= limit ? beyond : undefined;
}

type Advanced = { readonly row: StageRow; readonly written: number };

/** Advances one stage and writes its row: where it now is, or why it stopped. */
async function advanceStage(
  tx: Transaction,
  chainId: number,
  stage: Stage,
  row: StageRow,
  to: BlockRef | undefined,
): Promise<Advanced | StageFailure> {
  const next = { ...row, asOf: to ?? row.asOf, unwindPending: false, failedReason: null };
  let written = 0;
  const failure = await isolated(tx, stage, async () => {
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
