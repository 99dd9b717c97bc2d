import type { Copy } from '../db/copy.ts';
import type { Database } from '../db/database.ts';
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import { runSteps } from '../db/step.ts';
import { longTransaction, type Transaction, transaction } from '../db/transaction.ts';
import { type EncodedBatch, factCount, keepFacts } from '../facts/encoded-batch.ts';
import type { Quarantine } from '../facts/origin.ts';
import type { BlockHeader } from '../kernel/chain.ts';
import { FactConflict, IndexerError, StaleRange } from '../kernel/errors.ts';
import { type BlockRange, intersect, union } from '../kernel/ranges.ts';
import { type ChainState, raiseLiveVersion, readChain } from '../progress/chains.ts';
import { isOnOtherBranch, saveCheckpoints } from '../progress/checkpoints.ts';
import {
  type ContractKey,
  contractKey,
  contractKeys,
  missingSlices,
  type RequestedContract,
  type Slice,
} from '../progress/contract-coverage.ts';
import { claimCoverage, quarantine } from '../progress/contract-state.ts';
import { isChainAwaited, lockChain } from '../progress/locks.ts';
import { recordHistoryChange } from '../progress/stage-rows.ts';
import {
  checkpointsOf,
  type FormerContract,
  factKinds,
  foldFacts,
  LARGE_COMMIT_FACTS,
  type Replacement,
  replaceFacts,
} from './apply.ts';
import { addFactCounts } from './committed-range.ts';
import type { ReadRange } from './fetch-batch.ts';
import { refuseStale } from './refuse-stale.ts';

/**
 * A range that was read, its facts, and the chain's state before the range was read (`seen`). The commit fails if the chain was unwound
 * below the end of the range since then.
 */
export type FillPiece = { readonly seen: ChainState; readonly range: ReadRange; readonly batch: EncodedBatch };

/** The input of a commit of history. */
export type FillCommit = {
  /** Consecutive pieces, at least one. */
  readonly pieces: readonly FillPiece[];
  /** The contracts whose logs were requested. The batches must not hold facts of other contracts. */
  readonly contracts: readonly RequestedContract[];
  /** The contracts among `contracts` for which a former indexer left facts. */
  readonly former?: readonly (ContractKey & FormerContract)[];
  /**
   * Returns the next pieces for the same contracts, which were read while `pieces` were written. They are committed in the same
   * transaction, so that each row of state is written once for all pieces.
   */
  readonly following?: () => Promise<readonly FillPiece[]>;
  /** The last block that pieces from `following` can reach. Undefined if no pieces follow. */
  readonly end?: number;
};

/** The number of facts that a fill wrote, in all and by table, and the last block that it covers. */
export type Filled = {
  readonly facts: number;
  readonly factsByTable: ReadonlyMap<string, number>;
  readonly to: number;
};

/** A transaction that has written this many facts adds no more pieces. */
const COMMIT_FACTS_MAX = 100_000;
/** A transaction that has been open this long adds no more pieces, because a crash loses what it wrote. */
const COMMIT_OPEN_MS_MAX = 5_000;
/** The maximum number of attempts at a commit while other commits cover parts of its range. */
const TRIM_ATTEMPTS_MAX = 5;

/** Another commit covered some of the same blocks first. */
class OverlappingCommit extends IndexerError {}

/**
 * Fills gaps at or below the head. Writes the missing facts of the pieces, and of the pieces that follow them, in one transaction with
 * their coverage.
 *
 * Safe to repeat, to overlap with other fills and to run on any number of machines. Blocks that are covered already are left out, and
 * coverage is claimed by an update that fails if another commit claimed it first. If the transaction must be repeated, it writes only
 * `pieces`, because `following` returns each piece only once. The caller reads the pieces from `following` again later.
 *
 * @throws {StaleRange} if the chain was unwound below the range's end or is on another branch now, or if the range ends above the head.
 * The caller fetches the range again.
 * @throws {FactConflict} if facts exist in blocks that are not covered
 */
export async function commitFill(database: Database, { following, ...commit }: FillCommit): Promise<Filled> {
  let more = following;
  const isLarge = commit.pieces.some(({ batch }) => factCount(batch) > LARGE_COMMIT_FACTS);
  const open = isLarge ? longTransaction : transaction;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await open(database, async (tx, copy) => {
        const next = more;
        more = undefined;
        return writeFill(tx, copy, commit, next);
      });
    } catch (error) {
      const overlapped = error instanceof OverlappingCommit || sqlstateOf(error) === SQLSTATE.uniqueViolation;
      if (!overlapped) throw error;
      if (attempt === TRIM_ATTEMPTS_MAX) {
        const { chainId, from, to } = rangeOf(commit.pieces);
        // A fact from another branch may have the same key as a stored fact.
        const headers = commit.pieces.flatMap(({ range }) => range.headers);
        if (await isOnOtherBranch(database.kysely, chainId, headers)) throw otherBranch(error);
        throw new FactConflict('the database holds facts in blocks that are not covered', {
          cause: error,
          context: { chainId, from, to },
        });
      }
    }
  }
}

async function writeFill(
  tx: Transaction,
  copy: Copy,
  commit: Omit<FillCommit, 'following'>,
  following: FillCommit['following'],
): Promise<Filled> {
  const { chainId, from, to: piecesEnd } = rangeOf(commit.pieces);
  await runSteps(tx, [lockChain(chainId, 'shared')]);
  const now = await readChain(tx, chainId);
  const end = following === undefined ? piecesEnd : Math.max(piecesEnd, commit.end ?? 0);
  const written = new WrittenSlices(await missingSlices(tx, chainId, commit.contracts, { from, to: end }));
  const begunAt = performance.now();
  let to = from - 1;
  for (let pieces: readonly FillPiece[] = commit.pieces; pieces.length > 0; ) {
    await writePieces(tx, copy, { ...commit, pieces }, now, written);
    to = rangeOf(pieces).to;
    const takesMore =
      to < end &&
      written.facts < COMMIT_FACTS_MAX &&
      performance.now() - begunAt < COMMIT_OPEN_MS_MAX &&
      !(await isChainAwaited(tx, chainId));
    pieces = takesMore ? ((await following?.()) ?? []) : [];
  }
  for (const { contracts, blocks, kinds } of written.slices) {
    for (const { from, to } of blocks) await runSteps(tx, foldFacts({ chainId, from, to, contracts }, kinds));
  }
  await saveFillCheckpoints(tx, chainId, written.checkpoints);
  for (const slice of written.slices) {
    if (!(await claimCoverage(tx, chainId, slice, slice.proved)))
      throw new OverlappingCommit('another commit covered part of the range first');
  }
  await quarantineAll(tx, chainId, written.quarantined);
  if (written.facts > 0) await recordHistoryChange(tx, chainId, from);
  return { facts: written.facts, factsByTable: written.factsByTable, to };
}

function rangeOf(pieces: readonly FillPiece[]) {
  const [first, last] = [pieces[0], pieces.at(-1)];
  if (first === undefined || last === undefined) throw new TypeError('a fill needs at least one piece');
  return { chainId: first.range.chainId, from: first.range.from, to: last.range.to };
}

/** Writes the facts of the pieces, except facts in blocks that are covered already. */
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
    for (const { contracts, blocks } of written.addPiece(range, batch.quarantined, now.finalized)) {
      const { keys } = contractKeys(contracts);
      const replaced = former.filter((contract) => keys.has(contractKey(contract)));
      const isWhole = blocks[0]?.from === range.from && blocks[0]?.to === range.to;
      const facts = keepFacts(batch, (contract) => keys.has(contractKey(contract)), isWhole ? undefined : blocks);
      replacements.push({ ranges: blocks, batch: facts, former: replaced });
      written.addSlice({ contracts, blocks }, facts, range.inFull === true);
    }
  }
  await replaceFacts(tx, copy, rangeOf(pieces).chainId, replacements);
}

/**
 * Quarantines contracts, and raises the chain's live version, which counts changes of the set of contracts that the follower covers. A
 * follower that has already read its next blocks for the old set can no longer commit them, and reads the registry again.
 */
export async function quarantineAll(
  tx: Transaction,
  chainId: number,
  quarantined: readonly Quarantine[],
): Promise<void> {
  if (quarantined.length === 0) return;
  const head = await raiseLiveVersion(tx, chainId);
  for (const { contract, blockNumber, reason } of quarantined) {
    await quarantine(tx, chainId, contract, { atBlock: blockNumber, coveredTo: head, reason });
  }
}

/** Saves the checkpoints of the pieces. A conflict with the follower's checkpoints means that a piece was read from another branch. */
async function saveFillCheckpoints(
  tx: Transaction,
  chainId: number,
  checkpoints: readonly BlockHeader[],
): Promise<void> {
  try {
    await runSteps(tx, [saveCheckpoints(chainId, checkpoints)]);
  } catch (error) {
    if (error instanceof FactConflict) throw otherBranch(error);
    throw error;
  }
}

function otherBranch(cause: unknown): StaleRange {
  return new StaleRange('the range was read from another branch than the head', { cause });
}

/** Contracts and their blocks that a transaction wrote, the kinds of the written facts, and which blocks were read in full (`proved`). */
type WrittenSlice = Slice & { readonly kinds: Set<string>; readonly proved: readonly BlockRange[] };

/** Collects the contracts and blocks that a transaction wrote. All blocks that were written for the same contracts form one slice. */
class WrittenSlices {
  /** The contracts to quarantine after all pieces. Their facts in the piece that quarantines them and in later pieces are not written. */
  readonly quarantined: Quarantine[] = [];
  readonly checkpoints: BlockHeader[] = [];
  /** The contracts and their blocks that were not covered when the transaction began. */
  readonly #missing: readonly Slice[];
  readonly #slices = new Map<string, WrittenSlice>();
  /** The last block of the newest piece. */
  #last: BlockHeader | undefined;
  readonly #factsByTable = new Map<string, number>();
  #facts = 0;

  constructor(missing: readonly Slice[]) {
    this.#missing = missing;
  }

  get facts(): number {
    return this.#facts;
  }

  get factsByTable(): ReadonlyMap<string, number> {
    return this.#factsByTable;
  }

  get slices() {
    return [...this.#slices.values()];
  }

  /**
   * Adds a piece. Returns its slices that are not covered, without contracts that this piece or an earlier one quarantines.
   *
   * @throws {StaleRange} if the piece does not continue the branch of the piece before it
   */
  addPiece(range: ReadRange, quarantined: readonly Quarantine[], finalized: number | undefined): readonly Slice[] {
    const [first] = range.headers;
    const last = this.#last;
    if (last !== undefined && first?.number === last.number + 1 && first.parentHash !== last.hash)
      throw new StaleRange('the range does not continue the previous one', { context: { number: first.number } });
    this.#last = range.headers.at(-1);
    this.checkpoints.push(...checkpointsOf(range, finalized));
    this.quarantined.push(...quarantined);
    const excluded = new Set(this.quarantined.map(({ contract }) => contractKey(contract)));
    return this.#missing
      .map(({ contracts, blocks }) => ({
        contracts:
          excluded.size === 0 ? contracts : contracts.filter((contract) => !excluded.has(contractKey(contract))),
        blocks: intersect(blocks, range),
      }))
      .filter(({ contracts, blocks }) => contracts.length > 0 && blocks.length > 0);
  }

  addSlice({ contracts, blocks }: Slice, facts: EncodedBatch, inFull: boolean): void {
    const key = contractKeys(contracts).text;
    const known = this.#slices.get(key);
    const kinds = known?.kinds ?? new Set();
    for (const kind of factKinds(facts)) kinds.add(kind);
    const proved = union([...(known?.proved ?? []), ...(inFull ? blocks : [])]);
    this.#slices.set(key, { contracts, blocks: union([...(known?.blocks ?? []), ...blocks]), kinds, proved });
    addFactCounts(this.#factsByTable, facts.tables);
    this.#facts += factCount(facts);
  }
}
