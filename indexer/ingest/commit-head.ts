import type { Database } from '../db/database.ts';
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import { runSteps } from '../db/step.ts';
import { batchTransaction, type Transaction, transaction } from '../db/transaction.ts';
import { type EncodedBatch, factCount, keepFacts } from '../facts/encoded-batch.ts';
import type { Quarantine } from '../facts/origin.ts';
import { insertFacts } from '../facts/write.ts';
import type { BlockHeader } from '../kernel/chain.ts';
import { FactConflict, HeadMoved } from '../kernel/errors.ts';
import { type ChainState, moveHead, readChain, standOn } from '../progress/chains.ts';
import { saveCheckpoints } from '../progress/checkpoints.ts';
import { type AskedContract, keyOf } from '../progress/contract-coverage.ts';
import { goLive, quarantine, suspendAll } from '../progress/contract-state.ts';
import { lockChain, lockChainAndBlock } from '../progress/locks.ts';
import { applyFacts, checkpointsOf, DEFER_CONSTRAINTS, type FormerContract, foldFacts, kindsOf } from './apply.ts';
import type { ReadRange } from './fetch-batch.ts';

/** What a commit of the head writes. */
export type HeadCommit = {
  /** The chain as it was when the range was fetched: the commit stands on it or fails. */
  readonly seen: ChainState;
  readonly range: ReadRange;
  readonly batch: EncodedBatch;
  /** The newest block known to be final. */
  readonly finalized: number | undefined;
  /** Contracts that the range was asked for and that the follower did not cover before. */
  readonly joining: readonly AskedContract[];
  /** Of the followed contracts, those of which a former indexer left facts. */
  readonly former?: readonly FormerContract[];
};

/** How often a commit is tried anew because a row that it inserts is there already. */
const ATTEMPTS_MAX = 5;

/**
 * Extends the head by a range: facts, state, coverage, checkpoints and the head itself in one transaction.
 *
 * Coverage of the followed contracts is `[live_from, head]`, so that moving the head claims it for all of them at once.
 *
 * @returns how many facts were written.
 * @throws {HeadMoved} when another process moved the head or changed the set of contracts since `seen` was read.
 * @throws {FactConflict} when the database holds facts or checkpoints of another branch there.
 */
export async function commitHead(database: Database, commit: HeadCommit): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await extend(database, commit);
    } catch (error) {
      if (sqlstateOf(error) !== SQLSTATE.uniqueViolation) throw error;
      // A fill made the same row of state at the same moment: then another attempt finds it. Facts that lie there stay there.
      if (attempt === ATTEMPTS_MAX) throw await conflictOf(database, commit, error);
    }
  }
}

async function extend(database: Database, commit: HeadCommit): Promise<number> {
  const { seen, range, batch, finalized, joining, former = [] } = commit;
  const { chainId } = range;
  const changesContracts = joining.length > 0 || batch.quarantined.length > 0;
  const end = [
    saveCheckpoints(chainId, checkpointsOf(range, finalized)),
    moveHead({ chainId, expected: seen, to: lastOf(range), finalized, addsContracts: changesContracts }),
  ];
  const inserts = changesContracts || former.length > 0 ? undefined : insertFacts(batch);
  if (inserts !== undefined) {
    const folded = foldFacts({ chainId, from: range.from, to: range.to, batched: true }, new Set(kindsOf(batch)));
    const write = inserts.length === 0 ? [] : [DEFER_CONSTRAINTS, ...inserts];
    try {
      // The facts go in while the block before may still be on its way: what comes behind them waits for it.
      const begin = lockChainAndBlock(chainId, range.to);
      await batchTransaction(database, [begin, ...write, standOn(seen), ...folded, ...end]);
      return factCount(batch);
    } catch (error) {
      // Something to do that depends on what is there, which is rare: one step behind the other.
      if (sqlstateOf(error) !== SQLSTATE.refused) throw error;
    }
  }
  return transaction(database, async (tx, copy) => {
    await runSteps(tx, [lockChainAndBlock(chainId, range.to), standOn(seen)]);
    if (joining.length > 0 && !(await goLive(tx, chainId, joining, range.from)))
      throw new HeadMoved('the set of followed contracts changed', { context: { chainId } });
    await setAside(tx, seen, batch.quarantined);
    const facts = withoutQuarantined(batch);
    await applyFacts(tx, copy, range, facts, former);
    await runSteps(tx, end);
    return factCount(facts);
  });
}

async function conflictOf(database: Database, { seen, range }: HeadCommit, cause: unknown): Promise<Error> {
  const { head } = await readChain(database.kysely, range.chainId);
  if (head?.hash !== seen.head?.hash) return new HeadMoved('another process moved the head first', { cause });
  const context = { from: range.from, to: range.to };
  return new FactConflict('the database already holds facts above its head', { cause, context });
}

/** Begins to follow a chain at a block, of which nothing is read: the follower covers what comes after it. */
export async function commitStart(
  database: Database,
  seen: ChainState,
  start: BlockHeader,
  finalized: number | undefined,
): Promise<void> {
  await transaction(database, async (tx) => {
    await runSteps(tx, [
      lockChain(seen.chainId, 'shared'),
      standOn(seen),
      saveCheckpoints(seen.chainId, [start]),
      moveHead({ chainId: seen.chainId, expected: seen, to: start, finalized, addsContracts: false }),
    ]);
  });
}

/** A block above the head that no endpoint can give the logs of, and why. */
export type UnreadBlock = {
  readonly seen: ChainState;
  readonly header: BlockHeader;
  readonly finalized: number | undefined;
  readonly reason: string;
};

/**
 * Moves the head over a block whose logs cannot be read, so that the chain goes on. The block stays missing of every contract, is
 * planned like any gap, and is tried again by the backfill.
 *
 * @throws {HeadMoved} when another process moved the head first.
 */
export async function commitUnread(
  database: Database,
  { seen, header, finalized, reason }: UnreadBlock,
): Promise<void> {
  const { chainId, head } = seen;
  await transaction(database, async (tx) => {
    await runSteps(tx, [lockChainAndBlock(chainId, header.number), standOn(seen)]);
    const note = `block ${header.number} could not be read: ${reason}`;
    if (head !== undefined) await suspendAll(tx, chainId, { head: head.number, note });
    await runSteps(tx, [
      saveCheckpoints(chainId, [header]),
      moveHead({ chainId, expected: seen, to: header, finalized, addsContracts: true }),
    ]);
  });
}

async function setAside(tx: Transaction, seen: ChainState, quarantined: readonly Quarantine[]): Promise<void> {
  for (const { contract, blockNumber, reason } of quarantined) {
    await quarantine(tx, seen.chainId, contract, { atBlock: blockNumber, coveredTo: seen.head?.number, reason });
  }
}

/** A quarantined contract contributes nothing of this range, so that its coverage ends where the range begins. */
function withoutQuarantined(batch: EncodedBatch): EncodedBatch {
  if (batch.quarantined.length === 0) return batch;
  const out = new Set(batch.quarantined.map(({ contract }) => keyOf(contract)));
  return keepFacts(batch, (contract) => !out.has(keyOf(contract)));
}

function lastOf({ headers, to }: ReadRange): BlockHeader {
  const last = headers.at(-1);
  if (last?.number !== to) throw new TypeError(`a verified range ends with the header of its last block ${to}`);
  return last;
}
