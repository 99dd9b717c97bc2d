import { sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { longTransaction, type Transaction, transaction } from '../db/transaction.ts';
import { deadLetters } from '../facts/dead-letters.ts';
import { type EncodedBatch, keepIds } from '../facts/encoded-batch.ts';
import { tableOf } from '../facts/facts-sql.ts';
import type { FactRange } from '../facts/fold.ts';
import { deleteFacts, type FactLink, restoreLinks } from '../facts/former-facts.ts';
import { logPartOf } from '../facts/ids.ts';
import type { Quarantine } from '../facts/origin.ts';
import { writeFacts } from '../facts/write.ts';
import { RpcInconsistency, StaleRange } from '../kernel/errors.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { isOnOtherBranch } from '../progress/checkpoints.ts';
import {
  contractKey,
  coveredSlices,
  type RequestedContract,
  type Slice,
  unprovedSlices,
} from '../progress/contract-coverage.ts';
import { uncover } from '../progress/contract-state.ts';
import { lockChain } from '../progress/locks.ts';
import { addProved } from '../progress/proof.ts';
import { recordRepair } from '../progress/repairs.ts';
import { recordHistoryChange } from '../progress/stage-rows.ts';
import { newestKnownBlock } from '../protocols/known-blocks.ts';
import { factTables, factTablesOf, folds } from '../protocols/protocols.ts';
import { stages } from '../stages/stages.ts';
import { unwindStages } from '../stages/unwind-stages.ts';
import { quarantineAll } from './commit-fill.ts';
import { compareFacts, type Difference, spanOf } from './compare-facts.ts';
import type { ReadRange } from './fetch-batch.ts';
import { refuseStale } from './refuse-stale.ts';

/** The facts of a range whose headers were all read from the chain. The facts in the database are compared with them. */
export type FullRange = {
  /** The chain's row in `indexer.chains` before the range was read. An unwind since then is recognised by it. */
  readonly seen: ChainState;
  readonly range: ReadRange;
  readonly batch: EncodedBatch;
  /** The contracts whose logs were read. */
  readonly contracts: readonly RequestedContract[];
};

/**
 * Compares the covered facts of a range with what was read from the chain. If they are equal, records that the range is proved.
 *
 * @param which whether to compare all covered blocks, or only those that are not proved yet
 * @returns the blocks in which facts differ, or in which a log quarantines a contract, in order
 * @throws {StaleRange} if the range is of another branch or ends above the head, or if the chain was unwound below its end meanwhile
 */
export async function findDifferences(
  database: Database,
  full: FullRange,
  which: 'covered' | 'unproved',
): Promise<readonly number[]> {
  const { chainId } = full.range;
  return transaction(database, async (tx, copy) => {
    await runSteps(tx, [lockChain(chainId, 'shared')]);
    const { slices, quarantined } = await readSlices(tx, full, which);
    const blocks = new Set(quarantined.map(({ blockNumber }) => blockNumber));
    for (const slice of slices) {
      for (const { block } of await compareFacts(tx, copy, chainId, slice, full.batch)) blocks.add(block);
    }
    if (blocks.size === 0) await addProved(tx, chainId, full.range, slices);
    return [...blocks].sort((a, b) => a - b);
  });
}

/** A fact of a contract that only the database holds, or only the chain. */
export type ContractDifference = Difference & { readonly contract: RequestedContract };

/**
 * Returns how the covered facts of a range differ from what was read from the chain, and changes nothing.
 *
 * @throws {StaleRange} if the range is of another branch or ends above the head, or if the chain was unwound below its end meanwhile
 */
export async function listDifferences(database: Database, full: FullRange): Promise<readonly ContractDifference[]> {
  const { chainId } = full.range;
  return transaction(database, async (tx, copy) => {
    await runSteps(tx, [lockChain(chainId, 'shared')]);
    const { slices } = await readSlices(tx, full, 'covered');
    const differences: ContractDifference[] = [];
    for (const { contracts, blocks } of slices) {
      // Most ranges have no difference, so all contracts are compared at once first.
      if ((await compareFacts(tx, copy, chainId, { contracts, blocks }, full.batch)).length === 0) continue;
      for (const contract of contracts) {
        const found = await compareFacts(tx, copy, chainId, { contracts: [contract], blocks }, full.batch);
        differences.push(...found.map((difference) => ({ ...difference, contract })));
      }
    }
    return differences;
  });
}

/** Why facts are repaired. */
export type RepairCause = {
  /**
   * What led to the repair: `proof` (the comparison of facts with headers), `verify` or `dead-letters` (the commands), or the name of the
   * rule that the facts contradicted.
   */
  readonly cause: string;
  /** The endpoints whose logs differed from those in the receipts. */
  readonly endpoints: readonly string[];
};

/** How many facts a repair added and removed. */
export type Repaired = { readonly added: number; readonly removed: number };

/**
 * Makes the covered facts of a range equal to those that were read from the chain, in one transaction. Derives the state of the contracts
 * again from the first changed block on. Records the repair, and that the range is proved. Facts that are equal already stay as they are,
 * so that rows of the platform that refer to them keep their links.
 *
 * The transaction holds the chain's lock exclusively, so no commit is running.
 *
 * @throws {StaleRange} if the range is of another branch or ends above the head, or if the chain was unwound below its end meanwhile
 * @throws {RpcInconsistency} if a fact would be deleted because receipts lack its log, and nothing proves these receipts. The node may
 * have lost the log.
 */
export async function repairRange(database: Database, full: FullRange, cause: RepairCause): Promise<Repaired> {
  const { chainId } = full.range;
  return longTransaction(database, async (tx, copy) => {
    const repaired = { added: 0, removed: 0 };
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    const { slices, quarantined, head } = await readSlices(tx, full, 'covered');
    await sql`set constraints all deferred`.execute(tx);
    for (const { contracts, blocks } of slices) {
      for (const contract of contracts) {
        const slice = { contracts: [contract], blocks };
        const differences = await compareFacts(tx, copy, chainId, slice, full.batch);
        if (differences.length > 0) {
          const { added, removed } = await repairContract(tx, copy, { full, head, contract, differences, cause });
          repaired.added += added;
          repaired.removed += removed;
        }
      }
    }
    await addProved(tx, chainId, full.range, slices);
    for (const quarantine of quarantined) repaired.removed += await uncoverBlock(tx, { full, head, quarantine, cause });
    await quarantineAll(tx, chainId, quarantined);
    return repaired;
  });
}

type CoveredSlices = {
  readonly slices: readonly Slice[];
  /** The contracts that a log of the range quarantines, if the block of that log is among their covered (or unproved) blocks. */
  readonly quarantined: readonly Quarantine[];
  readonly head: number;
};

/** Returns the covered or unproved blocks of the range. A contract's blocks end before the block of a log that quarantines it. */
async function readSlices(
  tx: Transaction,
  { seen, range, contracts, batch }: FullRange,
  which: 'covered' | 'unproved',
): Promise<CoveredSlices> {
  const { chainId } = range;
  const now = await readChain(tx, chainId);
  await refuseStale(tx, seen, now, range);
  // A block above the finalized block may have been read from a new branch while the database still holds the old one.
  if (await isOnOtherBranch(tx, chainId, range.headers)) {
    throw new StaleRange('the range was read from another branch', { context: { from: range.from, to: range.to } });
  }
  const head = now.head?.number ?? -1;
  const choose = which === 'covered' ? coveredSlices : unprovedSlices;
  const keys = new Set(batch.quarantined.map(({ contract }) => contractKey(contract)));
  const others = contracts.filter((contract) => !keys.has(contractKey(contract)));
  const slices = [...(await choose(tx, chainId, others, range, head))];
  const quarantined: Quarantine[] = [];
  for (const quarantine of batch.quarantined) {
    const { blockNumber } = quarantine;
    const own = contracts.filter((contract) => contractKey(contract) === contractKey(quarantine.contract));
    const before = { from: range.from, to: blockNumber - 1 };
    if (before.to >= before.from) slices.push(...(await choose(tx, chainId, own, before, head)));
    const isCovered = await choose(tx, chainId, own, { from: blockNumber, to: blockNumber }, head);
    if (isCovered.length > 0) quarantined.push(quarantine);
  }
  return { slices, quarantined, head };
}

type BlockRemoval = {
  readonly full: FullRange;
  readonly head: number;
  readonly quarantine: Quarantine;
  readonly cause: RepairCause;
};

/**
 * Deletes a contract's facts in the block of the log that quarantines it, and removes this block from the contract's coverage. Returns the
 * number of deleted facts.
 */
async function uncoverBlock(tx: Transaction, { full, head, quarantine, cause }: BlockRemoval): Promise<number> {
  const { chainId } = full.range;
  const { contract, blockNumber: block } = quarantine;
  let removed = 0;
  await deriveAgain(tx, { chainId, from: block, to: head, contracts: [contract] }, async () => {
    for (const table of factTablesOf(contract.kind)) {
      const { numAffectedRows } = await sql`
        delete from ${tableOf(table)} where ${table.rowsOf(contract)} and block_number = ${block} and block_hash is not null
      `.execute(tx);
      removed += Number(numAffectedRows ?? 0);
    }
  });
  await uncover(tx, chainId, contract, { block, head });
  await recordHistoryChange(tx, chainId, block, contract);
  await recordRepair(tx, { chainId, contract, from: block, to: block, ...cause, added: 0, removed });
  return removed;
}

/** Unwinds the stages and the contracts' state to before the range, calls `change` to change facts, and derives the state again. */
async function deriveAgain(tx: Transaction, range: FactRange, change: () => Promise<void>): Promise<void> {
  await unwindStages(tx, range.chainId, await newestKnownBlock(tx, range.chainId, range.from - 1), stages);
  await runSteps(
    tx,
    folds.toReversed().flatMap((fold) => fold.unwind(range)),
  );
  await change();
  await runSteps(
    tx,
    folds.flatMap((fold) => fold.apply(range)),
  );
}

type ContractRepair = {
  readonly full: FullRange;
  readonly head: number;
  readonly contract: RequestedContract;
  readonly differences: readonly Difference[];
  readonly cause: RepairCause;
};

async function repairContract(
  tx: Transaction,
  copy: Copy,
  { full, head, contract, differences, cause }: ContractRepair,
): Promise<Repaired> {
  const { chainId } = full.range;
  const { from, to } = spanOf(differences);
  const surplus = differences.filter(({ heldBy }) => heldBy === 'database');
  const lacking = differences.filter(({ heldBy }) => heldBy === 'chain').map(({ id }) => id);
  assertProvedRemoval(full.range, surplus, lacking);
  const links: FactLink[] = [];
  await deriveAgain(tx, { chainId, from, to: head, contracts: [contract] }, async () => {
    for (const [table, facts] of Map.groupBy(surplus, (difference) => difference.table)) {
      const ids = facts.map(({ id }) => id);
      links.push(...(await deleteFacts(tx, table, sql<boolean>`id = any(${ids}::uuid[])`)));
    }
    await writeFacts(copy, factTables, [keepIds(full.batch, new Set(lacking))]);
    await restoreLinks(tx, chainId, links);
  });
  await recordHistoryChange(tx, chainId, from, contract);
  const repaired = { added: lacking.length, removed: surplus.length };
  await recordRepair(tx, { chainId, contract, from, to, ...cause, ...repaired });
  return repaired;
}

/**
 * Throws if a fact would be deleted because receipts lack its log, and nothing proves these receipts. A dead letter (a log that could not
 * be decoded) may be deleted if the receipts have its log, because the log is decoded now.
 */
function assertProvedRemoval(
  { unprovedBlocks = [] }: ReadRange,
  surplus: readonly Difference[],
  lacking: readonly string[],
): void {
  const unproved = new Set(unprovedBlocks);
  const read = new Set(lacking.map(logPartOf));
  const isDecoded = ({ table, id }: Difference) => table === deadLetters && read.has(logPartOf(id));
  const removed = surplus.find((difference) => unproved.has(difference.block) && !isDecoded(difference));
  if (removed === undefined) return;
  throw new RpcInconsistency('receipts that neither a receipts root nor a bloom proves lack a log that is stored', {
    context: { number: removed.block },
  });
}
