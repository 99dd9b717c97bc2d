import { sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import type { Database } from '../db/database.ts';
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import { runSteps } from '../db/step.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import { type EncodedBatch, factCount, keepFacts } from '../facts/encoded-batch.ts';
import type { Quarantine } from '../facts/origin.ts';
import type { BlockHeader } from '../kernel/chain.ts';
import { FactConflict, IndexerError, StaleRange } from '../kernel/errors.ts';
import { intersect, union } from '../kernel/ranges.ts';
import { type ChainState, raiseLiveVersion, readChain } from '../progress/chains.ts';
import { saveCheckpoints } from '../progress/checkpoints.ts';
import {
  type AskedContract,
  type ContractKey,
  keyOf,
  missingSlices,
  type Slice,
} from '../progress/contract-coverage.ts';
import { claimCoverage, quarantine } from '../progress/contract-state.ts';
import { lockChain } from '../progress/locks.ts';
import { noteHistoryChange } from '../progress/stage-rows.ts';
import { checkpointsOf, type FormerContract, foldFacts, kindsOf, type Replacement, replaceFacts } from './apply.ts';
import type { ReadRange } from './fetch-batch.ts';

/** A range that was read, and the chain as it was before the read: the commit is refused after an unwind below the range's end. */
export type FillPiece = { readonly seen: ChainState; readonly range: ReadRange; readonly batch: EncodedBatch };

/** What a commit of history writes. */
export type FillCommit = {
  /** Consecutive pieces, at least one. */
  readonly pieces: readonly FillPiece[];
  /** The contracts whose logs were asked for. The batch must not hold facts of other contracts. */
  readonly contracts: readonly AskedContract[];
  /** Those of the contracts of which a former indexer left facts. */
  readonly former?: readonly (ContractKey & FormerContract)[];
  /**
   * Returns the next pieces, read for the same contracts, that are available already. They join the same transaction, so that its
   * folds write each row of state once for all of them.
   */
  readonly following?: () => Promise<readonly FillPiece[]>;
  /** The last block that following pieces may reach; left out where none follow. */
  readonly end?: number;
};

/** The number of facts that a fill wrote, and the last block that it covers. */
export type Filled = { readonly facts: number; readonly to: number };

/** With this many facts a transaction takes no more pieces. */
const COMMIT_FACTS_MAX = 50_000;
/** A transaction that has been open this long takes no more pieces, since an unwind of the chain waits for it (milliseconds). */
const COMMIT_TAKES_MS_MAX = 3_000;
/** Attempts at a range that other commits cover in part at the same time. */
const TRIM_ATTEMPTS_MAX = 5;

/** Another commit covered some of the same blocks first. */
class Overlapped extends IndexerError {}

/**
 * Fills a gap of coverage below the head. Writes what is still missing of the range, and of the pieces that follow it, in one
 * transaction with its coverage.
 *
 * Safe to repeat, to overlap and to run on any number of machines: the range is trimmed by coverage first, and coverage is claimed by
 * an update that fails when another commit claimed it first. A further attempt covers `pieces` alone: the pieces that followed were
 * handed out once and are read again.
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
          context: stretchOf(commit.pieces),
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
  const { chainId, from, to: first } = stretchOf(commit.pieces);
  await runSteps(tx, [lockChain(chainId, 'shared')]);
  const now = await readChain(tx, chainId);
  const end = following === undefined ? first : Math.max(first, commit.end ?? 0);
  const written = new WrittenSlices(await missingSlices(tx, chainId, commit.contracts, { from, to: end }));
  const begunAt = performance.now();
  let to = from - 1;
  for (let pieces: readonly FillPiece[] = commit.pieces; pieces.length > 0; ) {
    await writePieces(tx, copy, { ...commit, pieces }, now, written);
    to = stretchOf(pieces).to;
    const takesMore = written.facts < COMMIT_FACTS_MAX && performance.now() - begunAt < COMMIT_TAKES_MS_MAX;
    pieces = to < end && takesMore ? ((await following?.()) ?? []) : [];
  }
  for (const { contracts, missing, kinds } of written.slices) {
    for (const { from, to } of missing) await runSteps(tx, foldFacts({ chainId, from, to, contracts }, kinds));
  }
  await remember(tx, chainId, written.checkpoints);
  for (const slice of written.slices) {
    if (!(await claimCoverage(tx, chainId, slice)))
      throw new Overlapped('another commit covered part of the range first');
  }
  await setAside(tx, chainId, written.quarantined);
  if (written.facts > 0) await runSteps(tx, [noteHistoryChange(chainId, from)]);
  return { facts: written.facts, to };
}

function stretchOf(pieces: readonly FillPiece[]) {
  const [first, last] = [pieces[0], pieces.at(-1)];
  if (first === undefined || last === undefined) throw new TypeError('a fill is of at least one piece');
  return { chainId: first.range.chainId, from: first.range.from, to: last.range.to };
}

/** Writes those facts of the pieces that coverage lacks. */
async function writePieces(
  tx: Transaction,
  copy: Copy,
  { pieces, former = [] }: Pick<FillCommit, 'pieces' | 'former'>,
  now: ChainState,
  written: WrittenSlices,
): Promise<void> {
  const replacements: Replacement[] = [];
  for (const { seen, range, batch } of pieces) {
    await refuseStale(tx, seen, now, range);
    for (const { contracts, missing } of written.begin(range, batch.quarantined, now.finalized)) {
      const keys = new Set(contracts.map(keyOf));
      const giveWay = former.filter((contract) => keys.has(keyOf(contract)));
      const whole = missing[0]?.from === range.from && missing[0]?.to === range.to;
      const facts = keepFacts(batch, (contract) => keys.has(keyOf(contract)), whole ? undefined : missing);
      replacements.push({ stretches: missing, batch: facts, former: giveWay });
      written.add({ contracts, missing }, facts);
    }
  }
  await replaceFacts(tx, copy, stretchOf(pieces).chainId, replacements);
}

/** Quarantines contracts. A follower that already read blocks for them must not commit those, so it is made to read the registry again. */
async function setAside(tx: Transaction, chainId: number, quarantined: readonly Quarantine[]): Promise<void> {
  if (quarantined.length === 0) return;
  const head = await raiseLiveVersion(tx, chainId);
  for (const { contract, blockNumber, reason } of quarantined) {
    await quarantine(tx, chainId, contract, { atBlock: blockNumber, coveredTo: head, reason });
  }
}

async function refuseStale(tx: Transaction, seen: ChainState, now: ChainState, range: ReadRange): Promise<void> {
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

/** Saves the checkpoints of the range. A conflict with those of the follower means that the range was read from another fork. */
async function remember(tx: Transaction, chainId: number, checkpoints: readonly BlockHeader[]): Promise<void> {
  try {
    await runSteps(tx, [saveCheckpoints(chainId, checkpoints)]);
  } catch (error) {
    if (error instanceof FactConflict)
      throw new StaleRange('the range was read from another branch than the head', { cause: error });
    throw error;
  }
}

/** Collects what the pieces of a transaction wrote. Adjacent blocks of the same contracts become one slice. */
class WrittenSlices {
  /** Contracts to quarantine once everything is written. Their facts after the block that shows the reason are not written. */
  readonly quarantined: Quarantine[] = [];
  readonly checkpoints: BlockHeader[] = [];
  /** The blocks that coverage lacked when the transaction began. */
  readonly #lacking: readonly Slice[];
  readonly #slices = new Map<string, Slice & { readonly kinds: Set<string> }>();
  /** The block at which the newest piece ends. */
  #last: BlockHeader | undefined;
  #facts = 0;

  constructor(lacking: readonly Slice[]) {
    this.#lacking = lacking;
  }

  get facts(): number {
    return this.#facts;
  }

  /** The slices, each with the kinds of fact that were written into it. */
  get slices() {
    return [...this.#slices.values()];
  }

  /**
   * Adds a piece. Returns what coverage lacks of it, without contracts that this piece or an earlier one quarantines.
   *
   * @throws {StaleRange} when the piece does not continue the branch of the piece before it.
   */
  begin(range: ReadRange, quarantined: readonly Quarantine[], finalized: number | undefined): readonly Slice[] {
    const [first] = range.headers;
    const last = this.#last;
    if (last !== undefined && first?.number === last.number + 1 && first.parentHash !== last.hash)
      throw new StaleRange('the range does not follow the one before it', { context: { number: first.number } });
    this.#last = range.headers.at(-1);
    this.checkpoints.push(...checkpointsOf(range, finalized));
    this.quarantined.push(...quarantined);
    const unfit = new Set(this.quarantined.map(({ contract }) => keyOf(contract)));
    return this.#lacking
      .map(({ contracts, missing }) => ({
        contracts: unfit.size === 0 ? contracts : contracts.filter((contract) => !unfit.has(keyOf(contract))),
        missing: intersect(missing, range),
      }))
      .filter(({ contracts, missing }) => contracts.length > 0 && missing.length > 0);
  }

  add({ contracts, missing }: Slice, facts: EncodedBatch): void {
    const key = contracts.map(keyOf).join();
    const held = this.#slices.get(key);
    const kinds = held?.kinds ?? new Set();
    for (const kind of kindsOf(facts)) kinds.add(kind);
    this.#slices.set(key, { contracts, missing: union([...(held?.missing ?? []), ...missing]), kinds });
    this.#facts += factCount(facts);
  }
}
