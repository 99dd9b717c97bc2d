import type { Database } from '../db/database.ts';
import { type ContractIndex, contractIndex } from '../decode/contract-index.ts';
import { byteCount } from '../facts/encoded-batch.ts';
import { commitFill } from '../ingest/commit-fill.ts';
import { type FetchedRange, fetchBatch } from '../ingest/fetch-batch.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { blockAt } from '../progress/checkpoints.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { Source } from '../source/source.ts';
import type { FillJob } from './queue.ts';
import { ReadAhead } from './read-ahead.ts';
import { anyRequestRuns } from './requests.ts';
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

  constructor(piece: BlockRange, cause: unknown) {
    super(`blocks ${piece.from} to ${piece.to}`, { cause });
    this.piece = piece;
  }
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
   * Fills what is missing of a job, each piece a commit of its own, the next being read while one is written.
   *
   * @param narrowing how often the job failed: each time its pieces are smaller
   * @throws {PieceFailure} with the cause; the pieces before it are committed.
   */
  async fill(job: FillJob, narrowing: number, signal: AbortSignal): Promise<void> {
    const seen = await this.#readChain();
    const head = seen.head?.number ?? -1;
    if (job.from > head) return;
    const range = { from: job.from, to: Math.min(job.to, head) };
    const lack = await findLack(this.#deps.database.kysely, { ...job, head }, range);
    if (lack === undefined) return;
    const contracts = await this.#contracts(lack.contracts);
    if (contracts.length === 0) return;
    const former = contracts.filter(({ formerTo }) => formerTo !== null && formerTo >= lack.from);
    const most = Math.max(1, Math.floor((job.to - job.from + 1) / 8 ** narrowing));
    // What failed is tried piece by piece, so that what fails by itself is told from what stands beside it.
    const waitingBytes = narrowing > 0 ? 0 : WAITING_BYTES_MAX / this.#deps.concurrency;
    const reader = new ReadAhead(lack, waitingBytes, (from) => this.#fetch(from, lack.to, most, contracts, signal));
    while (!reader.atEnd) {
      const pieces = await reader.take();
      const from = pieces[0]?.range.from as number;
      const following = async () => (narrowing > 0 ? [] : reader.takeWithin(READY_WITHIN_MS));
      const commit = { pieces, contracts, former, following, end: lack.to };
      const { facts, to } = await commitFill(this.#deps.database, commit).catch((error) => {
        throw new PieceFailure({ from, to: pieces.at(-1)?.range.to as number }, error);
      });
      reader.goBackTo(to + 1);
      this.#onPiece({ from, to, facts });
      signal.throwIfAborted();
      if (!job.standing && !(await anyRequestRuns(this.#deps.database.kysely, job.chainId))) return;
    }
  }

  async #fetch(
    from: number,
    end: number,
    most: number,
    contracts: readonly RegisteredContract[],
    signal: AbortSignal,
  ): Promise<Fetched> {
    const { database, source } = this.#deps;
    const seen = await this.#readChain();
    const strict = from > (seen.finalized ?? -1);
    const blocks = Math.min(most, strict ? STRICT_PIECE_BLOCKS : this.#pace.blocks);
    const to = Math.min(end, from + blocks - 1, strict ? end : (seen.finalized ?? end));
    try {
      const tip = await blockAt(database.kysely, seen.chainId, to);
      const request = { from, to, strict, tip, maxLogs: PIECE_LOGS_MAX };
      const fetched = await fetchBatch(source, this.#indexOf(contracts), request, signal);
      const bytes = byteCount(fetched.batch);
      if (!strict) this.#pace.seen(fetched.range.to - from + 1, bytes);
      return { ...fetched, bytes, seen };
    } catch (error) {
      throw new PieceFailure({ from, to }, error);
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
