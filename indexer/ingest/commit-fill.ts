import { sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import type { Database } from '../db/database.ts';
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import type { DecodedBatch, FactLists, Quarantine } from '../decode/decoded-batch.ts';
import { filterBatch } from '../decode/filter-batch.ts';
import type { BlockHeader, VerifiedRange } from '../kernel/chain.ts';
import { FactConflict, IndexerError, StaleRange } from '../kernel/errors.ts';
import { contains, union } from '../kernel/ranges.ts';
import { type ChainState, raiseLiveVersion, readChain } from '../progress/chains.ts';
import { saveCheckpoints } from '../progress/checkpoints.ts';
import { type ContractKey, claimCoverage, missingSlices, quarantine, type Slice } from '../progress/coverage.ts';
import { lockChain } from '../progress/locks.ts';
import { checkpointsOf, type FormerContract, factCount, factListsOf, foldFacts, replaceFacts } from './apply.ts';

/** A range as it was read, and the chain as it was before: an unwind since then that went below its end refuses it. */
export type FillPiece = { readonly seen: ChainState; readonly range: VerifiedRange; readonly batch: DecodedBatch };

export type FillCommit = FillPiece & {
  /** The contracts that the range was asked for; others' facts must not be in the batch. */
  readonly contracts: readonly ContractKey[];
  /** Of these, the ones of which a former indexer left facts. */
  readonly former?: readonly (ContractKey & FormerContract)[];
  /**
   * The piece right behind the one before, asked for the same contracts, if it is at hand: it joins the same transaction,
   * whose folds then touch a row of state once for all of them.
   */
  readonly following?: () => Promise<FillPiece | undefined>;
};

/** What a fill wrote: so many facts, and which block is the last that it covers. */
export type Filled = { readonly facts: number; readonly to: number };

/** Facts of one transaction, at which it takes no more pieces. */
const COMMIT_FACTS_MAX = 50_000;
/** How often a range is trimmed anew because another commit covered part of it meanwhile. */
const TRIM_ATTEMPTS_MAX = 5;

/** Another commit was covering the same blocks at the same time. */
class Overlapped extends IndexerError {}

/**
 * Fills a gap of coverage below the head: what is still missing of the range, and of those that follow it while they are at
 * hand, in one transaction with its coverage.
 *
 * Safe to repeat, to overlap and to run on any number of machines: the range is trimmed by coverage first, and coverage is
 * claimed by an update that fails where another commit was quicker. Another attempt is of the first piece alone, since the
 * others are held by nobody then.
 *
 * @throws {StaleRange} when an unwind or another branch came between, or the range ends above the head: fetch it again.
 * @throws {FactConflict} when facts exist where coverage says there are none.
 */
export async function commitFill(database: Database, { following, ...commit }: FillCommit): Promise<Filled> {
  let more = following;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction(database, async (tx, copy) => {
        const next = more;
        more = undefined;
        return fill(tx, copy, commit, next);
      });
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

async function fill(
  tx: Transaction,
  copy: Copy,
  commit: Omit<FillCommit, 'following'>,
  following: FillCommit['following'],
): Promise<Filled> {
  const { chainId, from } = commit.range;
  await lockChain(tx, chainId, 'shared');
  const now = await readChain(tx, chainId);
  const written = new WrittenSlices();
  let to = from - 1;
  for (let piece: FillPiece | undefined = commit; piece !== undefined; ) {
    await writePiece(tx, copy, { ...commit, ...piece }, now, written);
    to = piece.range.to;
    piece = written.facts < COMMIT_FACTS_MAX ? await following?.() : undefined;
  }
  for (const { contracts, missing, lists } of written.slices) {
    for (const { from, to } of missing) await foldFacts(tx, { chainId, from, to, contracts }, lists);
  }
  await remember(tx, chainId, written.checkpoints);
  for (const slice of written.slices) {
    if (!(await claimCoverage(tx, chainId, slice)))
      throw new Overlapped('another commit covered part of the range first');
  }
  await setAside(tx, chainId, written.quarantined);
  return { facts: written.facts, to };
}

/** Writes the facts of a piece that coverage lacks. */
async function writePiece(
  tx: Transaction,
  copy: Copy,
  commit: Omit<FillCommit, 'following'>,
  now: ChainState,
  written: WrittenSlices,
): Promise<void> {
  const { seen, range, batch, contracts } = commit;
  await refuseStale(tx, seen, now, range);
  written.refuseOtherBranch(range);
  written.quarantined.push(...batch.quarantined);
  const unfit = new Set(written.quarantined.map(({ contract }) => keyOf(contract)));
  const fit = contracts.filter((contract) => !unfit.has(keyOf(contract)));
  for (const slice of await missingSlices(tx, range.chainId, fit, range)) {
    written.add(slice, await writeSlice(tx, copy, commit, slice));
  }
  written.last = range.headers.at(-1);
  written.checkpoints.push(...checkpointsOf(range, now.finalized));
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

/** @returns the facts of the batch that the slice lacked. */
async function writeSlice(
  tx: Transaction,
  copy: Copy,
  { range: { chainId }, batch, former = [] }: FillPiece & Pick<FillCommit, 'former'>,
  { contracts, missing }: Slice,
): Promise<FactLists> {
  const keys = new Set(contracts.map(keyOf));
  const giveWay = former.filter((contract) => keys.has(keyOf(contract)));
  const facts = filterBatch(
    batch,
    (kind, address, block) => contains(missing, block) && keys.has(keyOf({ kind, address })),
  );
  const stretches = missing.map(({ from, to }) => ({ chainId, from, to }));
  await replaceFacts(tx, copy, stretches, facts, giveWay);
  return facts;
}

function keyOf({ kind, address }: ContractKey): string {
  return `${kind} ${address}`;
}

/** A branch that differs from the one that the follower holds means that the range was fetched from another fork. */
async function remember(tx: Transaction, chainId: number, checkpoints: readonly BlockHeader[]): Promise<void> {
  try {
    await saveCheckpoints(tx, chainId, checkpoints);
  } catch (error) {
    if (error instanceof FactConflict)
      throw new StaleRange('the range was read from another branch than the head', { cause: error });
    throw error;
  }
}

/** What the pieces of a transaction wrote, neighbouring stretches of the same contracts as one. */
class WrittenSlices {
  /** Set aside when all is written: what was read of these behind the block that shows why is of no use. */
  readonly quarantined: Quarantine[] = [];
  readonly checkpoints: BlockHeader[] = [];
  /** The block at which the newest piece ends. */
  last: BlockHeader | undefined;
  readonly #slices = new Map<string, Slice & { readonly lists: Set<keyof FactLists> }>();
  #facts = 0;

  get facts(): number {
    return this.#facts;
  }

  /** Each with the kinds of fact that it got. */
  get slices() {
    return [...this.#slices.values()];
  }

  /** Each piece is of one branch; the node may have changed its mind between two. */
  refuseOtherBranch({ headers: [first] }: VerifiedRange): void {
    if (this.last !== undefined && first?.number === this.last.number + 1 && first.parentHash !== this.last.hash)
      throw new StaleRange('the range does not follow the one before it', { context: { number: first.number } });
  }

  add({ contracts, missing }: Slice, facts: FactLists): void {
    const key = contracts.map(keyOf).join();
    const held = this.#slices.get(key);
    const lists = held?.lists ?? new Set();
    for (const list of factListsOf(facts)) lists.add(list);
    this.#slices.set(key, { contracts, missing: union([...(held?.missing ?? []), ...missing]), lists });
    this.#facts += factCount(facts);
  }
}
