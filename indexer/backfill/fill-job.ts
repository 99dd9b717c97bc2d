import type { Database } from '../db/database.ts';
import { type ContractIndex, contractIndex } from '../decode/contract-index.ts';
import { commitFill } from '../ingest/commit-fill.ts';
import { type FetchedRange, fetchBatch } from '../ingest/fetch-batch.ts';
import type { VerifiedRange } from '../kernel/chain.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { sleep } from '../kernel/sleep.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { blockAt } from '../progress/checkpoints.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { Source } from '../source/source.ts';
import type { FillJob } from './queue.ts';
import { anyRequestRuns } from './requests.ts';
import { findLack, type LackingContract } from './wish.ts';

export type FillDeps = {
  readonly chainId: number;
  readonly database: Database;
  readonly source: Source;
  /** The contracts whose logs can be decoded. */
  readonly loadContracts: () => Promise<readonly RegisteredContract[]>;
};

/** Above finalized every header is read: few blocks at a time. */
const STRICT_PIECE_BLOCKS = 32;
/** What one commit writes, in bytes of logs: the most that a worker holds is two such pieces for each of its jobs. */
const PIECE_BYTES = 3_000_000;
const PIECE_LOGS_MAX = 20_000;
const PIECE_BLOCKS_FIRST = 100;
const PIECE_BLOCKS_MAX = 50_000;
/** What a log costs in memory besides its data. */
const LOG_BYTES = 1_000;
const GROWTH_MAX = 4;
/** How long an open transaction waits for a piece that could join it. */
const READY_WITHIN_MS = 250;

/** How many blocks to read at once, learnt from how densely the last ones were filled. */
export class Pace {
  #blocks = PIECE_BLOCKS_FIRST;

  get blocks(): number {
    return this.#blocks;
  }

  /** So many blocks held so many bytes of logs. */
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
    const reader = new ReadAhead(lack, (from) => this.#fetch(from, lack.to, most, contracts, signal));
    while (!reader.atEnd) {
      const { piece, ...first } = await reader.take();
      const commit = { ...first, contracts, former, following: () => reader.takeIfReady() };
      const { facts, to } = await commitFill(this.#deps.database, commit).catch((error) => {
        throw new PieceFailure(piece, error);
      });
      reader.goBackTo(to + 1);
      this.#onPiece({ from: first.range.from, to, facts });
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
      if (!strict) this.#pace.seen(fetched.range.to - from + 1, bytesOf(fetched.range));
      return { ...fetched, seen, piece: { from, to } };
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

type Fetched = FetchedRange & { readonly seen: ChainState; readonly piece: BlockRange };

/** Reads the pieces of a range one behind the other, always one ahead of who takes them. */
class ReadAhead {
  readonly #end: number;
  readonly #read: (from: number) => Promise<Fetched>;
  #next: number;
  #ahead: Promise<Fetched> | undefined;

  constructor({ from, to }: BlockRange, read: (from: number) => Promise<Fetched>) {
    this.#next = from;
    this.#end = to;
    this.#read = read;
  }

  get atEnd(): boolean {
    return this.#next > this.#end;
  }

  async take(): Promise<Fetched> {
    const fetched = await (this.#ahead ?? this.#read(this.#next));
    this.goBackTo(fetched.range.to + 1);
    return fetched;
  }

  /** The next piece, if it comes soon; why it does not, `take` tells. */
  async takeIfReady(): Promise<Fetched | undefined> {
    const fetched = await Promise.race([this.#ahead?.catch(() => undefined), sleep(READY_WITHIN_MS)]);
    return fetched === undefined ? undefined : this.take();
  }

  /** Reads on from a block, where it does not already. */
  goBackTo(from: number): void {
    if (from === this.#next) return;
    this.#next = from;
    this.#ahead = this.atEnd ? undefined : this.#read(from);
    this.#ahead?.catch(() => undefined); // awaited by the next to take, or given up with the job
  }
}

const REGISTRY_TTL_MS = 60_000;
const INDEXES_MAX = 8;

function keyOf({ kind, address }: Pick<RegisteredContract, 'kind' | 'address'>): string {
  return `${kind} ${address}`;
}

function bytesOf({ logs }: VerifiedRange): number {
  let bytes = 0;
  for (const { data } of logs) bytes += LOG_BYTES + data.length;
  return bytes;
}
