import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import type { BlockRef } from '../kernel/chain.ts';
import { messageOf } from '../kernel/errors.ts';
import { sleep } from '../kernel/sleep.ts';
import { readChain } from '../progress/chains.ts';
import { chainCompleteTo } from '../progress/contract-coverage.ts';
import { lockChain, tryLockStages } from '../progress/locks.ts';
import { readStageRows, type StageRow, takeHistoryChanges, writeStageRow } from '../progress/stage-rows.ts';
import { newestKnownBlock, oldestKnownBlock } from '../protocols/known-blocks.ts';
import type { Stage } from './stage.ts';
import { isolated, type StageFailure, unwindStages } from './unwind-stages.ts';

/** Blocks that a stage advances over in one transaction, which an unwind of the chain waits for. */
const STRIDE_BLOCKS = 50_000;
/** How soon to look again for stages that another process is advancing. */
const BUSY_INTERVAL_MS = 50;

/** The work of one look at a chain's stages. */
export type StageWork = {
  readonly chainId: number;
  readonly stages: readonly Stage[];
  /** The names of stages that failed and are not to be tried yet. */
  readonly paused: ReadonlySet<string>;
  /** Blocks that a stage advances over at most. */
  readonly strideBlocks?: number;
};

/** A stage's move to another block. */
export type StageMove = { readonly name: string; readonly to: number; readonly rows: number };

/** What one look did. `busy`: another process is advancing the stages. */
export type StageRound = {
  readonly busy: boolean;
  readonly moves: readonly StageMove[];
  readonly failures: readonly StageFailure[];
};

/**
 * Brings each stage of a chain one stride forward, in one transaction: first back to the highest block up to which the contracts
 * are complete and history did not change, where the stage is beyond it, then forward towards that block.
 *
 * The chain's lock is shared all along, so no unwind comes between a stage's work and the move of its row. One process at a
 * time does this for a chain; where another one does, nothing happens.
 */
export async function advanceOnce(database: Database, work: StageWork): Promise<StageRound> {
  const { chainId, stages, paused, strideBlocks = STRIDE_BLOCKS } = work;
  return transaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'shared')]);
    if (!(await tryLockStages(tx, chainId))) return { busy: true, moves: [], failures: [] };
    const { head } = await readChain(tx, chainId);
    if (head === undefined) return { busy: false, moves: [], failures: [] };
    // Read before anything else: what a fill adds from now on leaves a note for the next look.
    const changedFrom = await takeHistoryChanges(tx, chainId);
    let limit = await chainCompleteTo(tx, chainId, head.number);
    const failures = [...(await takeBack(tx, work, Math.min(limit, (changedFrom ?? Number.POSITIVE_INFINITY) - 1)))];
    const moves: StageMove[] = [];
    const rows = await readStageRows(tx, chainId);
    const failed = new Set([...paused, ...failures.map(({ name }) => name)]);
    for (const stage of stages) {
      let row = rows.get(stage.name) ?? { name: stage.name, asOf: undefined, unwindPending: false, failedReason: null };
      if (!failed.has(stage.name)) {
        const to = await nextBlock(tx, chainId, row.asOf, Math.min(limit, head.number), strideBlocks);
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
    return { busy: false, moves, failures };
  });
}

/**
 * Advances a chain's stages until nothing is left to do, beside whichever process does the same.
 *
 * @returns the stages that failed, each of which stopped where it did.
 */
export async function advanceStages(
  database: Database,
  work: Omit<StageWork, 'paused'>,
): Promise<readonly StageFailure[]> {
  const failures: StageFailure[] = [];
  for (;;) {
    const paused = new Set(failures.map(({ name }) => name));
    const round = await advanceOnce(database, { ...work, paused });
    failures.push(...round.failures);
    if (round.busy) await sleep(BUSY_INTERVAL_MS);
    else if (round.moves.length === 0 && round.failures.length === 0) return failures;
  }
}

/** Takes back the stages that are above a block, to the newest block at or below it that the database knows. */
async function takeBack(tx: Transaction, work: StageWork, block: number): Promise<readonly StageFailure[]> {
  const { chainId, stages } = work;
  const rows = [...(await readStageRows(tx, chainId)).values()];
  if (!rows.some(({ asOf }) => asOf !== undefined && asOf.number > block)) return [];
  return unwindStages(tx, chainId, await newestKnownBlock(tx, chainId, block), stages);
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
