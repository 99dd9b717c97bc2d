import type { Database } from '../db/database.ts';
import { byteCount } from '../facts/encoded-batch.ts';
import { commitFill } from '../ingest/commit-fill.ts';
import type { CommittedRange } from '../ingest/committed-range.ts';
import { type ContractIndex, contractIndex } from '../ingest/contract-index.ts';
import { type FetchedRange, fetchBatch } from '../ingest/fetch-batch.ts';
import { ConfigError, RpcError, type RpcErrorKind } from '../kernel/errors.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Trace, Tracing } from '../observability/tracing.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { checkpointAt } from '../progress/checkpoints.ts';
import { contractKey, contractKeys } from '../progress/contract-coverage.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { Source } from '../source/source.ts';
import { isOutage } from './decide-retry.ts';
import { findMissingWork, type IncompleteContract } from './missing-work.ts';
import type { FillJob } from './queue.ts';
import { ReadAhead } from './read-ahead.ts';
import { runningRequests } from './requests.ts';

/** Dependencies of `JobFiller`, which fills the history of one chain. */
export type FillDeps = {
  readonly chainId: number;
  readonly database: Database;
  readonly source: Source;
  readonly runtime: Runtime;
  /** Traces each job from its fetches to its commits. */
  readonly tracing?: Tracing | undefined;
  /** Number of jobs on which this process works at the same time. */
  readonly concurrency: number;
  /** Whether the header of every block is read and compared with the block's logs before the block counts as covered. */
  readonly provesInline: boolean;
  readonly loadContracts: () => Promise<FillableContracts>;
};

/** The contracts that this program may fill, and those that it must not fill (`refused`), because a newer program read their history. */
export type FillableContracts = {
  readonly contracts: readonly RegisteredContract[];
  readonly refused: readonly { readonly contract: RegisteredContract; readonly because: string }[];
};

/** A job is read in pieces. Above the finalized block, where every header is read, a piece has at most this many blocks. */
const STRICT_PIECE_BLOCKS = 32;
/** Target size of the encoded facts of one piece (about 400 bytes per fact). Larger pieces need fewer calls, but more memory. */
const PIECE_BYTES = 2_400_000;
const PIECE_LOGS_MAX = 20_000;
const PIECE_BLOCKS_FIRST = 100;
const PIECE_BLOCKS_MAX = 50_000;
/** With `provesInline`, a piece below the finalized block has at most this many blocks. The headers of all of them are held in memory. */
const FULL_PIECE_BLOCKS_MAX = 2_000;
const GROWTH_MAX = 4;
/** Blocks that failed in the last attempt (`suspect`) are read again in this many smaller pieces. */
const NARROWING_FACTOR = 8;
/** Maximum size of the encoded facts that wait to be written, over all jobs of the chain in this process. */
const WAITING_BYTES_MAX = 8_000_000;
/** How long a transaction that has written pieces waits for the next piece, to write it in the same transaction. */
const READY_WITHIN_MS = 250;

/** Adapts the number of blocks of a piece to the size of the facts in earlier pieces. */
export class PieceSize {
  #blocks = PIECE_BLOCKS_FIRST;

  /** The number of blocks of the next piece. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Records how many blocks a piece had, and how many bytes their encoded facts had. */
  record(blocks: number, bytes: number): void {
    const fitting = bytes === 0 ? Number.POSITIVE_INFINITY : Math.floor((blocks * PIECE_BYTES) / bytes);
    this.#blocks = Math.max(1, Math.min(fitting, Math.max(this.#blocks, blocks) * GROWTH_MAX, PIECE_BLOCKS_MAX));
  }
}

/** A job failed at one piece. The cause is the actual error. */
export class FillError extends Error {
  readonly piece: BlockRange;
  /** Whether the attempt at the job committed blocks before it failed. */
  readonly progressed: boolean;

  constructor(piece: BlockRange, progressed: boolean, cause: unknown) {
    super(`blocks ${piece.from} to ${piece.to}`, { cause });
    this.piece = piece;
    this.progressed = progressed;
  }
}

/** A piece could not be read. The cause is the actual error. */
class ReadError extends Error {
  readonly piece: BlockRange;

  constructor(piece: BlockRange, cause: unknown) {
    super(`blocks ${piece.from} to ${piece.to}`, { cause });
    this.piece = piece;
  }
}

/** Returns the next blocks to read. Blocks that failed before (`suspect`) are read a few at a time, to find the bad one quickly. */
function nextPart({ to }: BlockRange, from: number, suspect: BlockRange | undefined): BlockRange {
  if (suspect === undefined || from > suspect.to) return { from, to };
  if (from < suspect.from) return { from, to: Math.min(to, suspect.from - 1) };
  const blocks = Math.max(1, Math.floor((suspect.to - suspect.from + 1) / NARROWING_FACTOR));
  return { from, to: Math.min(to, suspect.to, from + blocks - 1) };
}

/** Fills ranges of one chain piece by piece. A job names only a range. When it runs, coverage says which of its blocks are missing. */
export class JobFiller {
  readonly #deps: FillDeps;
  readonly #pieceSize = new PieceSize();
  readonly #onCommit: (range: CommittedRange) => void;
  #registry = new Map<string, RegisteredContract>();
  #registryReadAt = Number.NEGATIVE_INFINITY;
  readonly #indexes = new Map<string, ContractIndex>();

  constructor(deps: FillDeps, onCommit: (range: CommittedRange) => void) {
    this.#deps = deps;
    this.#onCommit = onCommit;
  }

  /**
   * Fills the missing blocks of a job. While pieces are written, the next ones are read. A transaction writes all pieces that are ready.
   * Blocks that failed before (`suspect`) are read in smaller pieces, each of which is committed by itself.
   *
   * @throws {FillError} if a piece fails; everything before that piece is committed.
   */
  async fill(job: FillJob, signal: AbortSignal): Promise<void> {
    const { chainId, from, to } = job;
    const trace = this.#deps.tracing?.begin('history job', { chain: chainId, from, to });
    try {
      await this.#fillMissing(job, trace, signal);
      trace?.end();
    } catch (error) {
      trace?.end(error);
      throw error;
    }
  }

  async #fillMissing(job: FillJob, trace: Trace | undefined, signal: AbortSignal): Promise<void> {
    const { database, concurrency, runtime } = this.#deps;
    const requests = await runningRequests(database.kysely, job.chainId);
    const work = await this.#findMissing(job);
    if (work === undefined) return;
    const { missing, contracts } = work;
    const former = contracts.filter(({ formerTo }) => formerTo !== null && formerTo >= missing.from);
    const suspect = job.history?.suspect;
    const isAlone = (from: number) => suspect !== undefined && suspect.from <= from && from <= suspect.to;
    const reader = new ReadAhead(missing, { maxBytes: WAITING_BYTES_MAX / concurrency, isAlone }, (from) => {
      const read = () => this.#fetch(nextPart(missing, from, suspect), contracts, signal);
      return trace?.step('fetch', read, ({ range }) => ({ from: range.from, to: range.to })) ?? read();
    });
    for (let progressed = false; !reader.atEnd; progressed = true) {
      const pieces = await reader.take().catch((error: unknown) => {
        if (!(error instanceof ReadError)) throw error;
        throw new FillError(error.piece, progressed, error.cause);
      });
      const from = pieces[0]?.range.from as number;
      const following = async () =>
        signal.aborted || isAlone(from) || isAlone(reader.from) ? [] : reader.takeWithin(READY_WITHIN_MS);
      const commit = { pieces, contracts, former, following, end: missing.to };
      const begunAt = runtime.now();
      const write = () => commitFill(database, commit);
      const step = trace?.step('commit', write, ({ facts, to }) => ({ from, to, facts }));
      const filled = await (step ?? write()).catch((error) => {
        throw new FillError({ from, to: reader.from - 1 }, progressed, error);
      });
      reader.rewindTo(filled.to + 1);
      this.#onCommit({ ...filled, from, seconds: (runtime.now() - begunAt) / 1_000 });
      signal.throwIfAborted();
      if (!job.standing && (await runningRequests(database.kysely, job.chainId)) !== requests) return;
    }
  }

  /**
   * Finds the blocks that endpoints do not serve, from the first block of `piece` on. A binary search finds the last of them: it is just
   * before the next served block, or it is the last missing block of the job. Returns `piece` itself if its first block is served.
   *
   * @param unserved the kinds of error that mean a block is not served
   * @throws any error that does not show whether a block is served, such as an outage
   */
  async findUnserved(
    job: FillJob,
    piece: BlockRange,
    unserved: readonly RpcErrorKind[],
    signal: AbortSignal,
  ): Promise<BlockRange> {
    const { missing, contracts } = (await this.#findMissing(job)) ?? { missing: piece, contracts: [] };
    const isServed = async (block: number) => {
      try {
        await this.#fetch({ from: block, to: block }, contracts, signal);
        return true;
      } catch (error) {
        const cause = error instanceof ReadError ? error.cause : error;
        const kind = cause instanceof RpcError ? cause.kind : undefined;
        if (kind !== undefined && unserved.includes(kind)) return false;
        if (signal.aborted || (kind !== 'rejected' && isOutage(cause))) throw cause;
        return true;
      }
    };
    if (await isServed(piece.from)) return piece;
    let [last, served] = [piece.from, missing.to + 1];
    while (served - last > 1) {
      const middle = Math.floor((last + served) / 2);
      if (await isServed(middle)) served = middle;
      else last = middle;
    }
    return { from: piece.from, to: last };
  }

  /**
   * Returns the first and the last missing block of a job, up to the head, and the contracts to fill. Undefined if nothing is to be filled.
   *
   * @throws {ConfigError} if only a newer program may fill the missing blocks.
   */
  async #findMissing(
    job: FillJob,
  ): Promise<{ missing: BlockRange; contracts: readonly RegisteredContract[] } | undefined> {
    const { head } = await this.#readChain();
    if (head === undefined || job.from > head.number) return undefined;
    const range = { from: job.from, to: Math.min(job.to, head.number) };
    const missing = await findMissingWork(this.#deps.database.kysely, { ...job, head: head.number }, range);
    if (missing === undefined) return undefined;
    const contracts = await this.#contractsOf(missing.contracts);
    return contracts.length === 0 ? undefined : { missing, contracts };
  }

  /** Reads a piece that begins at the first block of a range, and ends at the last one or before. */
  async #fetch(
    { from, to: end }: BlockRange,
    contracts: readonly RegisteredContract[],
    signal: AbortSignal,
  ): Promise<Fetched> {
    const { database, source, provesInline } = this.#deps;
    const seen = await this.#readChain();
    const strict = from > (seen.finalized ?? -1);
    const fitting = provesInline ? Math.min(this.#pieceSize.blocks, FULL_PIECE_BLOCKS_MAX) : this.#pieceSize.blocks;
    const blocks = strict ? STRICT_PIECE_BLOCKS : fitting;
    const to = Math.min(end, from + blocks - 1, strict ? end : (seen.finalized ?? end));
    try {
      const tip = await checkpointAt(database.kysely, seen.chainId, to);
      const inFull = provesInline ? 'blooms' : undefined;
      const request = { from, to, strict, inFull, tip, maxLogs: PIECE_LOGS_MAX } as const;
      const fetched = await fetchBatch(source, this.#indexOf(contracts), request, signal);
      const bytes = byteCount(fetched.batch);
      if (!strict) this.#pieceSize.record(fetched.range.to - from + 1, bytes);
      return { ...fetched, bytes, seen };
    } catch (error) {
      throw new ReadError({ from, to }, error);
    }
  }

  #readChain(): Promise<ChainState> {
    return readChain(this.#deps.database.kysely, this.#deps.chainId);
  }

  /** Returns what the registry says of incomplete contracts, from a cache. Reads the registry again if the cache is old or lacks one. */
  async #contractsOf(incomplete: readonly IncompleteContract[]): Promise<readonly RegisteredContract[]> {
    const known = () =>
      incomplete.flatMap((contract) => {
        const found = this.#registry.get(contractKey(contract));
        const isCurrent =
          found?.platformId === contract.platformId &&
          (contract.coveredFingerprint ?? found.fingerprint) === found.fingerprint;
        return isCurrent ? [found] : [];
      });
    const isOld = this.#deps.runtime.now() - this.#registryReadAt > REGISTRY_TTL_MS;
    if (isOld || known().length < incomplete.length) {
      const { contracts, refused } = await this.#deps.loadContracts();
      this.#registry = new Map(contracts.map((contract) => [contractKey(contract), contract]));
      this.#registryReadAt = this.#deps.runtime.now();
      this.#indexes.clear();
      if (known().length === 0) refuseIfOutdated(incomplete, refused);
    }
    return known();
  }

  #indexOf(contracts: readonly RegisteredContract[]): ContractIndex {
    const key = contractKeys(contracts).text;
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

/** Throws if one of the contracts may be filled only by a newer program. */
function refuseIfOutdated(incomplete: readonly IncompleteContract[], refused: FillableContracts['refused']): void {
  const keys = new Set(incomplete.map(contractKey));
  const first = refused.find(({ contract }) => keys.has(contractKey(contract)));
  if (first !== undefined) throw new ConfigError(`${first.contract.kind} ${first.contract.address}: ${first.because}`);
}
