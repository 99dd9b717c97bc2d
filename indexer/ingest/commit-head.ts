import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import { runSteps, type Step } from '../db/step.ts';
import { batchTransaction, longTransaction, type Transaction, transaction } from '../db/transaction.ts';
import { type EncodedBatch, factCount, keepFacts } from '../facts/encoded-batch.ts';
import type { Quarantine } from '../facts/origin.ts';
import { insertFacts } from '../facts/write.ts';
import type { BlockHeader } from '../kernel/chain.ts';
import { FactConflict, HeadMoved } from '../kernel/errors.ts';
import { type ChainState, lockAndCheckHead, moveHead, readChain } from '../progress/chains.ts';
import { saveCheckpoints } from '../progress/checkpoints.ts';
import { contractKey, type RequestedContract } from '../progress/contract-coverage.ts';
import { goLive, quarantine, suspendAll } from '../progress/contract-state.ts';
import { lockChain, lockChainAndBlock } from '../progress/locks.ts';
import {
  applyFacts,
  checkpointsOf,
  DEFER_CONSTRAINTS,
  type FormerContract,
  factKinds,
  foldFacts,
  LARGE_COMMIT_FACTS,
} from './apply.ts';
import type { ReadRange } from './fetch-batch.ts';

/** The input of a commit at the head. */
export type HeadCommit = {
  /** The chain's state when the range was fetched. The commit fails if it has changed. */
  readonly seen: ChainState;
  readonly range: ReadRange;
  readonly batch: EncodedBatch;
  /** The newest block known to be final. */
  readonly finalized: number | undefined;
  /** The contracts that the follower begins to cover with this range. The range includes their logs. */
  readonly joining: readonly RequestedContract[];
  /** The followed contracts for which a former indexer left facts. */
  readonly former?: readonly FormerContract[];
  /**
   * Whether no later block waits to be committed. If one waits, this commit returns before its transaction is on the disk, because the
   * next commit flushes both. A crash of PostgreSQL may then lose the newest commits, each as a whole: the head goes back. Default: true.
   */
  readonly isLast?: boolean;
};

/** Makes `commit` return before the transaction is on the disk. */
const COMMIT_WITHOUT_WAITING: Step = { statement: sql`set local synchronous_commit = off` };

/** The maximum number of attempts at a commit that fails because a row that it inserts exists already. */
const ATTEMPTS_MAX = 5;

/**
 * Extends the head by a range. Writes facts, state, coverage, checkpoints and the head itself in one transaction.
 *
 * Coverage of the followed contracts is `[live_from, head]`, so moving the head claims the range for all of them at once.
 *
 * @returns the number of facts written
 * @throws {HeadMoved} if another process moved the head or changed the set of contracts since `seen` was read
 * @throws {FactConflict} if the database holds facts or checkpoints of another branch in the range
 */
export async function commitHead(database: Database, commit: HeadCommit): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await extendHead(database, commit);
    } catch (error) {
      if (sqlstateOf(error) !== SQLSTATE.uniqueViolation) throw error;
      // If a fill inserted the same row of state at the same moment, the next attempt finds that row. If facts exist above the head,
      // every attempt fails.
      if (attempt === ATTEMPTS_MAX) throw await conflictOf(database, commit, error);
    }
  }
}

async function extendHead(database: Database, commit: HeadCommit): Promise<number> {
  const { seen, range, batch, finalized, joining, former = [], isLast = true } = commit;
  const { chainId } = range;
  const changesContracts = joining.length > 0 || batch.quarantined.length > 0;
  const end = [
    saveCheckpoints(chainId, checkpointsOf(range, finalized)),
    moveHead({
      chainId,
      expected: seen,
      to: lastOf(range),
      finalized,
      verified: range.inFull && !range.unconfirmedBlocks?.length ? range : undefined,
      addsContracts: changesContracts,
    }),
  ];
  const inserts = changesContracts || former.length > 0 ? undefined : insertFacts(batch);
  if (inserts !== undefined) {
    const folded = foldFacts({ chainId, from: range.from, to: range.to, batched: true }, new Set(factKinds(batch)));
    const write = inserts.length === 0 ? [] : [DEFER_CONSTRAINTS, ...inserts];
    try {
      // The facts are written while the commit of the previous block may still be running. `lockAndCheckHead` waits for that commit.
      const begin = lockChainAndBlock(chainId, range.to);
      const settings = isLast ? [] : [COMMIT_WITHOUT_WAITING];
      await batchTransaction(database, [...settings, begin, ...write, lockAndCheckHead(seen), ...folded, ...end]);
      return factCount(batch);
    } catch (error) {
      // A step needs a follow-up step, which a batch cannot run. This is rare. The steps then run one after the other below.
      if (sqlstateOf(error) !== SQLSTATE.refused) throw error;
    }
  }
  const open = factCount(batch) > LARGE_COMMIT_FACTS ? longTransaction : transaction;
  return open(database, async (tx, copy) => {
    await runSteps(tx, [lockChainAndBlock(chainId, range.to), lockAndCheckHead(seen)]);
    if (joining.length > 0 && !(await goLive(tx, chainId, joining, range.from)))
      throw new HeadMoved('the set of followed contracts changed', { context: { chainId } });
    await quarantineAll(tx, seen, batch.quarantined);
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

/** Starts following a chain at a block. The logs of this block are not read: the follower covers the blocks after it. */
export async function commitStart(
  database: Database,
  seen: ChainState,
  start: BlockHeader,
  finalized: number | undefined,
): Promise<void> {
  await transaction(database, async (tx) => {
    await runSteps(tx, [
      lockChain(seen.chainId, 'shared'),
      lockAndCheckHead(seen),
      saveCheckpoints(seen.chainId, [start]),
      moveHead({ chainId: seen.chainId, expected: seen, to: start, finalized, addsContracts: false }),
    ]);
  });
}

/** A block above the head whose logs no endpoint can give, and the reason. */
export type UnreadBlock = {
  readonly seen: ChainState;
  readonly header: BlockHeader;
  readonly finalized: number | undefined;
  readonly reason: string;
};

/**
 * Moves the head to a block whose logs cannot be read, so that the blocks after it can be followed. The block becomes a gap of every
 * contract that the follower covers. The backfill plans it like any gap and tries it again.
 *
 * @throws {HeadMoved} when another process moved the head first.
 */
export async function commitUnread(
  database: Database,
  { seen, header, finalized, reason }: UnreadBlock,
): Promise<void> {
  const { chainId, head } = seen;
  await transaction(database, async (tx) => {
    await runSteps(tx, [lockChainAndBlock(chainId, header.number), lockAndCheckHead(seen)]);
    const note = `block ${header.number} could not be read: ${reason}`;
    if (head !== undefined) await suspendAll(tx, chainId, { head: head.number, note });
    await runSteps(tx, [
      saveCheckpoints(chainId, [header]),
      moveHead({ chainId, expected: seen, to: header, finalized, addsContracts: true }),
    ]);
  });
}

async function quarantineAll(tx: Transaction, seen: ChainState, quarantined: readonly Quarantine[]): Promise<void> {
  for (const { contract, blockNumber, reason } of quarantined) {
    await quarantine(tx, seen.chainId, contract, { atBlock: blockNumber, coveredTo: seen.head?.number, reason });
  }
}

/** Returns a batch without the facts of the contracts that it quarantines. The coverage of these contracts ends before the range. */
function withoutQuarantined(batch: EncodedBatch): EncodedBatch {
  if (batch.quarantined.length === 0) return batch;
  const excluded = new Set(batch.quarantined.map(({ contract }) => contractKey(contract)));
  return keepFacts(batch, (contract) => !excluded.has(contractKey(contract)));
}

function lastOf({ headers, to }: ReadRange): BlockHeader {
  const last = headers.at(-1);
  if (last?.number !== to) throw new TypeError(`the range lacks the header of its last block ${to}`);
  return last;
}
