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

/** A range as it was read, and the chain as it was before: an unwind since then that went below its end refuses it. */
export type FillPiece = { readonly seen: ChainState; readonly range: ReadRange; readonly batch: EncodedBatch };

export type FillCommit = {
  /** One behind the other, at least one. */
  readonly pieces: readonly FillPiece[];
  /** The contracts that the pieces were asked for; others' facts must not be in the batch. */
  readonly contracts: readonly AskedContract[];
  /** Of these, the ones of which a former indexer left facts. */
  readonly former?: readonly (ContractKey & FormerContract)[];
  /**
   * The pieces right behind, asked for the same contracts, as far as they are at hand: they join the same transaction, whose
   * folds then touch a row of state once for all of them.
   */
  readonly following?: () => Promise<readonly FillPiece[]>;
  /** The last block that pieces may come to; left out where none follow. */
  readonly end?: number;
};

/** What a fill wrote: so many facts, and which block is the last that it covers. */
export type Filled = { readonly facts: number; readonly to: number };

/** Facts of one transaction, at which it takes no more pieces. */
const COMMIT_FACTS_MAX = 50_000;
/** A transaction that is open for so long takes no more pieces either: an unwind of the chain waits for it. */
const COMMIT_TAKES_MS_MAX = 3_000;
/** How often a range is trimmed anew because another commit covered part of it meanwhile. */
const TRIM_ATTEMPTS_MAX = 5;

/** Another commit was covering the same blocks at the same time. */
class Overlapped extends IndexerError {}

/**
 * Fills a gap of coverage below the head: what is still missing of the range, and of those that follow it while they are at
 * hand, in one transaction with its coverage.
 *
 * Safe to repeat, to overlap and to run on any number of machines: the range is trimmed by coverage first, and coverage is
 * claimed by an update that fails where another commit was quicker. Another attempt is of `pieces` alone, since what followed
 * is held by nobody then.
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

/** Writes the facts of some pieces that coverage lacks. */
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

/** A follower may hold the contract already, and be about to commit its facts: it must not any more. */
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

/** A branch that differs from the one that the follower holds means that the range was fetched from another fork. */
async function remember(tx: Transaction, chainId: number, checkpoints: readonly BlockHeader[]): Promise<void> {
  try {
    await runSteps(tx, [saveCheckpoints(chainId, checkpoints)]);
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
  /** What coverage lacked when the transaction began. */
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

  /** Each with the kinds of fact that it may have got. */
  get slices() {
    return [...this.#slices.values()];
  }

  /**
   * Takes a piece in, and gives what coverage lacks of it, without contracts that it or one before it shows to be unfit.
   *
   * @throws {StaleRange} where it is of another branch than the piece before it: the node may have changed its mind.
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
