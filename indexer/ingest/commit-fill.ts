import { sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import type { Database } from '../db/database.ts';
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import type { DecodedBatch, Quarantine } from '../decode/decoded-batch.ts';
import { filterBatch } from '../decode/filter-batch.ts';
import type { VerifiedRange } from '../kernel/chain.ts';
import { FactConflict, IndexerError, StaleRange } from '../kernel/errors.ts';
import { contains } from '../kernel/ranges.ts';
import { type ChainState, raiseLiveVersion, readChain } from '../progress/chains.ts';
import { saveCheckpoints } from '../progress/checkpoints.ts';
import { type ContractKey, claimCoverage, missingSlices, quarantine, type Slice } from '../progress/coverage.ts';
import { lockChain } from '../progress/locks.ts';
import { applyFacts, checkpointsOf, type FormerContract, factCount } from './apply.ts';

export type FillCommit = {
  /** The chain as it was when the range was fetched; an unwind since then that went below the range's end refuses it. */
  readonly seen: ChainState;
  readonly range: VerifiedRange;
  readonly batch: DecodedBatch;
  /** The contracts that the range was asked for; others' facts must not be in the batch. */
  readonly contracts: readonly ContractKey[];
  /** Of these, the ones of which a former indexer left facts. */
  readonly former?: readonly (ContractKey & FormerContract)[];
};

/** How often a range is trimmed anew because another commit covered part of it meanwhile. */
const TRIM_ATTEMPTS_MAX = 5;

/** Another commit was covering the same blocks at the same time. */
class Overlapped extends IndexerError {}

/**
 * Fills a gap of coverage below the head: what is still missing of the range, in one transaction with its coverage.
 *
 * Safe to repeat, to overlap and to run on any number of machines: the range is trimmed by coverage first, and coverage is
 * claimed by an update that fails where another commit was quicker.
 *
 * @returns how many facts were written; 0 where others had covered all of it.
 * @throws {StaleRange} when an unwind or another branch came between, or the range ends above the head: fetch it again.
 * @throws {FactConflict} when facts exist where coverage says there are none.
 */
export async function commitFill(database: Database, commit: FillCommit): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction(database, (tx, copy) => fill(tx, copy, commit));
    } catch (error) {
      const overlapped = error instanceof Overlapped || sqlstateOf(error) === SQLSTATE.uniqueViolation;
      if (!overlapped) throw error;
      if (attempt === TRIM_ATTEMPTS_MAX) {
        throw new FactConflict('the database holds facts in a range that no coverage claims', {
          cause: error,
          context: { chainId: commit.range.chainId, from: commit.range.from, to: commit.range.to },
        });
      }
    }
  }
}

async function fill(tx: Transaction, copy: Copy, commit: FillCommit): Promise<number> {
  const { seen, range, batch, contracts } = commit;
  const { chainId } = range;
  await lockChain(tx, chainId, 'shared');
  const now = await readChain(tx, chainId);
  await refuseStale(tx, seen, now, range);
  let written = 0;
  const unfit = new Set(batch.quarantined.map(({ contract }) => keyOf(contract)));
  const fit = contracts.filter((contract) => !unfit.has(keyOf(contract)));
  const slices = await missingSlices(tx, chainId, fit, range);
  for (const slice of slices) written += await applySlice(tx, copy, commit, slice);
  await remember(tx, range, now.finalized);
  for (const slice of slices) {
    if (!(await claimCoverage(tx, chainId, slice)))
      throw new Overlapped('another commit covered part of the range first');
  }
  await setAside(tx, chainId, batch.quarantined);
  return written;
}

/** A follower may hold the contract already, and be about to commit its facts: it must not any more. */
async function setAside(tx: Transaction, chainId: number, quarantined: readonly Quarantine[]): Promise<void> {
  if (quarantined.length === 0) return;
  const head = await raiseLiveVersion(tx, chainId);
  for (const { contract, blockNumber, reason } of quarantined) {
    await quarantine(tx, chainId, contract, { atBlock: blockNumber, coveredTo: head, reason });
  }
}

async function refuseStale(tx: Transaction, seen: ChainState, now: ChainState, range: VerifiedRange): Promise<void> {
  if (now.head === undefined || range.to > now.head.number) {
    throw new StaleRange('the range ends above the head', { context: { to: range.to, head: now.head?.number } });
  }
  if (now.epoch === seen.epoch) return;
  const { rows } = await sql<{ lowest: string | null }>`
    select min(to_number) as lowest from indexer.reorgs where chain_id = ${range.chainId} and epoch > ${seen.epoch}
  `.execute(tx);
  if (Number(rows[0]?.lowest ?? 0) < range.to) {
    throw new StaleRange('an unwind came between fetching the range and committing it', { context: { to: range.to } });
  }
}

async function applySlice(
  tx: Transaction,
  copy: Copy,
  { range: { chainId }, batch, former = [] }: FillCommit,
  { contracts, missing }: Slice,
): Promise<number> {
  const keys = new Set(contracts.map(keyOf));
  const giveWay = former.filter((contract) => keys.has(keyOf(contract)));
  let written = 0;
  for (const { from, to } of missing) {
    const facts = filterBatch(
      batch,
      (kind, address, block) => contains([{ from, to }], block) && keys.has(keyOf({ kind, address })),
    );
    const count = factCount(facts);
    if (count === 0 && giveWay.length === 0) continue;
    await applyFacts(tx, copy, { chainId, from, to, contracts }, facts, giveWay);
    written += count;
  }
  return written;
}

function keyOf({ kind, address }: ContractKey): string {
  return `${kind} ${address}`;
}

/** A branch that differs from the one that the follower holds means that the range was fetched from another fork. */
async function remember(tx: Transaction, range: VerifiedRange, finalized: number | undefined): Promise<void> {
  try {
    await saveCheckpoints(tx, range.chainId, checkpointsOf(range, finalized));
  } catch (error) {
    if (error instanceof FactConflict)
      throw new StaleRange('the range was read from another branch than the head', { cause: error });
    throw error;
  }
}
