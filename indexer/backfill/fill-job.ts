import type { Database } from '../db/database.ts';
import { byteCount } from '../facts/encoded-batch.ts';
import { commitFill } from '../ingest/commit-fill.ts';
import { type ContractIndex, contractIndex } from '../ingest/contract-index.ts';
import { type FetchedRange, fetchBatch } from '../ingest/fetch-batch.ts';
import { RpcError, type RpcErrorKind } from '../kernel/errors.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { blockAt } from '../progress/checkpoints.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { Source } from '../source/source.ts';
import type { FillJob } from './queue.ts';
import { ReadAhead } from './read-ahead.ts';
import { requestsThatRun } from './requests.ts';
import { isOutage } from './verdict.ts';
import { findLack, type LackingContract } from './wish.ts';

export type FillDeps = {
  readonly chainId: number;
  readonly database: Database;
  readonly source: Source;
  /** Jobs that are worked on at a time. */
  readonly concurrency: number;
  /** The contracts whose logs can be decoded. */
  readonly loadContracts: () => Promise<readonly RegisteredContract[]>;
};

/** Above finalized every header is read: few blocks at a time. */
const STRICT_PIECE_BLOCKS = 32;
/** Text of the facts of one piece (`COPY` takes about 400 bytes a fact). */
const PIECE_BYTES = 500_000;
const PIECE_LOGS_MAX = 20_000;
const PIECE_BLOCKS_FIRST = 100;
const PIECE_BLOCKS_MAX = 50_000;
const GROWTH_MAX = 4;
const NARROWING = 8;
/** Text that waits to be written, of all jobs that the process works on for the chain. */
const WAITING_BYTES_MAX = 16_000_000;
/** How long an open transaction waits for a piece that could join it. */
const READY_WITHIN_MS = 250;

/** How many blocks to read at once, learnt from how densely the last ones were filled. */
export class Pace {
  #blocks = PIECE_BLOCKS_FIRST;

  get blocks(): number {
    return this.#blocks;
  }

  /** So many blocks held so many bytes of facts. */
  seen(blocks: number, bytes: number): void {
    const fitting = bytes === 0 ? Number.POSITIVE_INFINITY : Math.floor((blocks * PIECE_BYTES) / bytes);
    this.#blocks = Math.max(1, Math.min(fitting, Math.max(this.#blocks, blocks) * GROWTH_MAX, PIECE_BLOCKS_MAX));
  }
}

export type Piece = BlockRange & { readonly facts: number };

/** What failed, and which part of the job it was at. */
export class PieceFailure extends Error {
  readonly piece: BlockRange;
  /** Whether something was filled before. */
  readonly progressed: boolean;

  constructor(piece: BlockRange, progressed: boolean, cause: unknown) {
    super(`blocks ${piece.from} to ${piece.to}`, { cause });
    this.piece = piece;
    this.progressed = progressed;
  }
}

/** A piece that could not be read. */
class FetchFailure extends Error {
  readonly piece: BlockRange;

  constructor(piece: BlockRange, cause: unknown) {
    super(`blocks ${piece.from} to ${piece.to}`, { cause });
    this.piece = piece;
  }
}

/** What of a range to read from a block on: of blocks under suspicion a part, so that a few attempts tell which it is. */
function partOf({ to }: BlockRange, from: number, suspect: BlockRange | undefined): BlockRange {
  if (suspect === undefined || from > suspect.to) return { from, to };
  if (from < suspect.from) return { from, to: Math.min(to, suspect.from - 1) };
  const blocks = Math.max(1, Math.floor((suspect.to - suspect.from + 1) / NARROWING));
  return { from, to: Math.min(to, suspect.to, from + blocks - 1) };
}

/** Fills ranges of one chain piece by piece: what a job lacks is asked of coverage when it runs, never remembered. */
export class JobFiller {
  readonly #deps: FillDeps;
  readonly #pace = new Pace();
  readonly #onPiece: (piece: Piece) => void;
  #registry = new Map<string, RegisteredContract>();
  #registryReadAt = Number.NEGATIVE_INFINITY;
  readonly #indexes = new Map<string, ContractIndex>();

  constructor(deps: FillDeps, onPiece: (piece: Piece) => void) {
    this.#deps = deps;
    this.#onPiece = onPiece;
  }

  /**
   * Fills what is missing of a job, in commits of as much as is at hand, the next being read while one is written. Blocks under
   * suspicion are read and written in smaller pieces, each by itself.
   *
   * @throws {PieceFailure} with the cause; what came before is committed.
   */
  async fill(job: FillJob, signal: AbortSignal): Promise<void> {
    const { database, concurrency } = this.#deps;
    const wanted = await requestsThatRun(database.kysely, job.chainId);
    const found = await this.#lackOf(job);
    if (found === undefined) return;
    const { lack, contracts } = found;
    const former = contracts.filter(({ formerTo }) => formerTo !== null && formerTo >= lack.from);
    const suspect = job.setbacks?.suspect;
    const isAlone = (from: number) => suspect !== undefined && suspect.from <= from && from <= suspect.to;
    const reader = new ReadAhead(lack, { maxBytes: WAITING_BYTES_MAX / concurrency, isAlone }, (from) =>
      this.#fetch(partOf(lack, from, suspect), contracts, signal),
    );
    for (let progressed = false; !reader.atEnd; progressed = true) {
      const pieces = await reader.take().catch((error: unknown) => {
        if (!(error instanceof FetchFailure)) throw error;
        throw new PieceFailure(error.piece, progressed, error.cause);
      });
      const from = pieces[0]?.range.from as number;
      const following = async () => (isAlone(from) || isAlone(reader.from) ? [] : reader.takeWithin(READY_WITHIN_MS));
      const commit = { pieces, contracts, former, following, end: lack.to };
      const { facts, to } = await commitFill(database, commit).catch((error) => {
        throw new PieceFailure({ from, to: reader.from - 1 }, progressed, error);
      });
      reader.goBackTo(to + 1);
      this.#onPiece({ from, to, facts });
      signal.throwIfAborted();
      if (!job.standing && (await requestsThatRun(database.kysely, job.chainId)) !== wanted) return;
    }
  }

  /**
   * How far what endpoints do not serve goes on from the beginning of a piece, up to the end of the job: it lies below what they
   * serve. The piece itself where its first block is served.
   *
   * @param unserved the kinds of error that say so
   * @throws what tells neither way: an endpoint that is away
   */
  async unservedOf(
    job: FillJob,
    piece: BlockRange,
    unserved: readonly RpcErrorKind[],
    signal: AbortSignal,
  ): Promise<BlockRange> {
    const { lack, contracts } = (await this.#lackOf(job)) ?? { lack: piece, contracts: [] };
    const isServed = async (block: number) => {
      try {
        await this.#fetch({ from: block, to: block }, contracts, signal);
        return true;
      } catch (error) {
        const cause = error instanceof FetchFailure ? error.cause : error;
        const kind = cause instanceof RpcError ? cause.kind : undefined;
        if (kind !== undefined && unserved.includes(kind)) return false;
        if (signal.aborted || (kind !== 'rejected' && isOutage(cause))) throw cause;
        return true;
      }
    };
    if (await isServed(piece.from)) return piece;
    let [last, served] = [piece.from, lack.to + 1];
    while (served - last > 1) {
      const middle = Math.floor((last + served) / 2);
      if (await isServed(middle)) served = middle;
      else last = middle;
    }
    return { from: piece.from, to: last };
  }

  /** What is still to do of a job, up to the head; undefined where nothing is. */
  async #lackOf(job: FillJob): Promise<{ lack: BlockRange; contracts: readonly RegisteredContract[] } | undefined> {
    const { head } = await this.#readChain();
    if (head === undefined || job.from > head.number) return undefined;
    const range = { from: job.from, to: Math.min(job.to, head.number) };
    const lack = await findLack(this.#deps.database.kysely, { ...job, head: head.number }, range);
    const contracts = lack === undefined ? [] : await this.#contracts(lack.contracts);
    return lack === undefined || contracts.length === 0 ? undefined : { lack, contracts };
  }

  /** Reads a piece from a block on, up to `to` at most. */
  async #fetch(
    { from, to: end }: BlockRange,
    contracts: readonly RegisteredContract[],
    signal: AbortSignal,
  ): Promise<Fetched> {
    const { database, source } = this.#deps;
    const seen = await this.#readChain();
    const strict = from > (seen.finalized ?? -1);
    const blocks = strict ? STRICT_PIECE_BLOCKS : this.#pace.blocks;
    const to = Math.min(end, from + blocks - 1, strict ? end : (seen.finalized ?? end));
    try {
      const tip = await blockAt(database.kysely, seen.chainId, to);
      const request = { from, to, strict, tip, maxLogs: PIECE_LOGS_MAX };
      const fetched = await fetchBatch(source, this.#indexOf(contracts), request, signal);
      const bytes = byteCount(fetched.batch);
      if (!strict) this.#pace.seen(fetched.range.to - from + 1, bytes);
      return { ...fetched, bytes, seen };
    } catch (error) {
      throw new FetchFailure({ from, to }, error);
    }
  }

  #readChain(): Promise<ChainState> {
    return readChain(this.#deps.database.kysely, this.#deps.chainId);
  }

  /** The registry is read anew when it does not know one of them; 10,000 contracts are not read for every job. */
  async #contracts(lacking: readonly LackingContract[]): Promise<readonly RegisteredContract[]> {
    const known = () =>
      lacking.flatMap((contract) => {
        const found = this.#registry.get(keyOf(contract));
        return found?.platformId === contract.platformId ? [found] : [];
      });
    const old = performance.now() - this.#registryReadAt > REGISTRY_TTL_MS;
    if (old || known().length < lacking.length) {
      const contracts = await this.#deps.loadContracts();
      this.#registry = new Map(contracts.map((contract) => [keyOf(contract), contract]));
      this.#registryReadAt = performance.now();
      this.#indexes.clear();
    }
    return known();
  }

  #indexOf(contracts: readonly RegisteredContract[]): ContractIndex {
    const key = contracts.map(keyOf).join();
    let index = this.#indexes.get(key);
    if (index === undefined) {
      if (this.#indexes.size === INDEXES_MAX) this.#indexes.clear();
      index = contractIndex(contracts);
      this.#indexes.set(key, index);
    }
    return index;
  }
}

type Fetched = FetchedRange & { readonly bytes: number; readonly seen: ChainState };

const REGISTRY_TTL_MS = 60_000;
const INDEXES_MAX = 8;

function keyOf({ kind, address }: Pick<RegisteredContract, 'kind' | 'address'>): string {
  return `${kind} ${address}`;
}
