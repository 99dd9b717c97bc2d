import type { Database } from '../db/database.ts';
import { isServerOutage } from '../db/sqlstate.ts';
import type { FetchedRange } from '../ingest/fetch-batch.ts';
import { provableContracts } from '../ingest/provable-contracts.ts';
import { findDifferences } from '../ingest/prove.ts';
import { type BlockReading, readInFull, repairBlocks } from '../ingest/repair-blocks.ts';
import { HeadMoved, messageOf, RpcError, type RpcErrorKind, RpcInconsistency, StaleRange } from '../kernel/errors.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import type { Runtime } from '../kernel/runtime.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import type { Redact } from '../observability/redact.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { type ContractKey, contractKey } from '../progress/contract-coverage.ts';
import {
  deleteSettledProofs,
  findUnproved,
  type Part,
  type ProofScope,
  recordFailedProof,
  type Unproved,
} from '../progress/proof.ts';
import { type Doubt, nextDoubt, recordDoubtRead, recordDoubtUnreadable } from '../progress/repairs.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { Source } from '../source/source.ts';
import { Confirmation } from './confirmation.ts';
import { Pace } from './pace.ts';

/** Dependencies of a prover. */
export type ProverDeps = {
  readonly database: Database;
  /** A source whose calls are limited to the rate that the operator allows for proofs. */
  readonly source: Source;
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly redact: Redact;
  /** The blocks and contracts to prove. Blocks above the finalized one are left out until they are final. */
  readonly scope: ProofScope;
  readonly callsPerSecond: number;
};

/** The intended time for reading one piece (blocks that are read together). It is short, so that little is read again after a restart. */
const PIECE_SECONDS = 10;
const PIECE_BLOCKS_MIN = 16;
const PIECE_BLOCKS_MAX = 512;
const IDLE_INTERVAL_MS = 5_000;
/** The pause after a reorg changed blocks while they were read. */
const STALE_PAUSE_MS = 1_000;
const RETRY_BACKOFF: Backoff = { baseMs: 1_000, maxMs: 30_000 };
/** After more failures in a row than this at the same blocks, fewer blocks are read together, because one of them may be the cause. */
const FAILURES_MAX = 6;
/** The kinds of errors by which an endpoint says that it cannot serve the requested blocks. */
const REFUSALS: ReadonlySet<RpcErrorKind> = new Set(['pruned', 'rejected', 'range-refused']);
const REGISTRY_TTL_MS = 60_000;
/** While blocks are left to prove: how often the records of failed proofs are deleted whose blocks are proved by now. */
const SETTLED_INTERVAL_MS = 60_000;
const REASON_LENGTH_MAX = 1_000;
/** Blocks that are read together, the contracts whose facts in these blocks are compared, and how to read the blocks. */
type Piece = BlockReading;

/** The work on a piece, which returns whether the piece is done, and what to do if no part of the piece can be read. */
type Attempt = {
  readonly work: () => Promise<boolean>;
  readonly giveUp: (reason: string) => Promise<void>;
};

/** Blocks to prove, the contracts for which they are not proved, and whether the blocks were followed or filled (`part`). */
type UnprovedPiece = Unproved & { readonly part: Part };

/**
 * Proves a chain's facts (its decoded logs) after they were stored: reads covered blocks again with every header, checks their logs against
 * the blooms, compares the logs with the facts, and repairs what differs. It also reads the blocks of doubts, in which a log may be
 * missing. Blocks of doubts and unproved blocks take turns, and a doubt comes first. Among the unproved blocks, those that the follower
 * committed and those that were filled take turns.
 *
 * Any number of provers may run at the same time. They may read the same blocks, but they record the same result.
 */
export class Prover {
  readonly #deps: ProverDeps;
  readonly #retry: Retry;
  /** Each kind of work has a pace of its own, so that the failures of one do not slow down another. */
  readonly #paces: Readonly<Record<Part | 'doubt', Pace>>;
  /** Whether the last step read blocks of a doubt. */
  #hasReadDoubt = false;
  /** Whether the unproved blocks that were read last were followed or filled. */
  #lastPart: Part = 'filled';
  readonly #confirmation: Confirmation;
  #registry = new Map<string, RegisteredContract>();
  #registryReadAt = Number.NEGATIVE_INFINITY;
  #settledAt = Number.NEGATIVE_INFINITY;

  constructor(deps: ProverDeps) {
    this.#deps = deps;
    this.#retry = new Retry(RETRY_BACKOFF, deps.runtime.random);
    this.#confirmation = new Confirmation(deps);
    const blocksMax = Math.min(PIECE_BLOCKS_MAX, Math.max(PIECE_BLOCKS_MIN, deps.callsPerSecond * PIECE_SECONDS));
    this.#paces = { doubt: new Pace(blocksMax), followed: new Pace(blocksMax), filled: new Pace(blocksMax) };
  }

  /** Proves piece after piece until the signal aborts. After a failure, logs it and tries again. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, scope } = this.#deps;
    while (!signal.aborted) {
      try {
        const worked = await this.step(signal);
        this.#retry.succeeded();
        if (!worked) await sleep(IDLE_INTERVAL_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        const retryInMs = this.#retry.failed();
        const context = { chain: scope.chainId, reason: messageOf(error), retryInMs, err: error };
        log.warn(context, 'proving history failed');
        await sleep(retryInMs, signal);
      }
    }
  }

  /** Proves one piece, or reads blocks of a doubt. Returns false if there was nothing to prove. */
  async step(signal: AbortSignal): Promise<boolean> {
    const { database, scope } = this.#deps;
    const seen = await readChain(database.kysely, scope.chainId);
    const to = Math.min(scope.to, seen.finalized ?? -1, seen.head?.number ?? -1);
    const doubt = await nextDoubt(database.kysely, scope.chainId, to);
    // A doubt may cover the whole history of a contract. Doubts and other blocks alternate, so that neither waits for the other.
    const isDoubtDue = doubt !== undefined && !this.#hasReadDoubt;
    const unproved = isDoubtDue ? undefined : await this.#findUnproved(to);
    if (doubt !== undefined && unproved === undefined) {
      // Set before the attempt, so that work that fails takes turns too.
      this.#hasReadDoubt = true;
      await this.#readDoubt(doubt, to, signal);
      return true;
    }
    if (unproved === undefined) {
      await this.#deleteSettled(0);
      return false;
    }
    const contracts = await this.#contractsOf(unproved.contracts);
    const { from, to: end, part } = unproved;
    const piece: Piece = { from, to: end, contracts, inFull: 'blooms' };
    const failed = (reason: string) => this.#recordFailure(piece, reason);
    const prove = () => this.#prove(piece, part, seen, signal);
    this.#lastPart = part;
    this.#hasReadDoubt = false;
    if (contracts.length === 0) await failed('this program cannot read the contracts that cover the blocks');
    else if (!(await this.#attempt(piece, this.#paces[part], { work: prove, giveUp: failed }, signal))) return true;
    await this.#deleteSettled(SETTLED_INTERVAL_MS);
    return true;
  }

  /** Returns the next blocks to prove, up to block `to`. Followed and filled blocks take turns. */
  async #findUnproved(to: number): Promise<UnprovedPiece | undefined> {
    const { database, scope } = this.#deps;
    const parts: readonly Part[] = this.#lastPart === 'filled' ? ['followed', 'filled'] : ['filled', 'followed'];
    for (const part of parts) {
      if (part === 'followed' && !this.#confirmation.isDue()) continue;
      const found = await findUnproved(database.kysely, { ...scope, to }, part, this.#paces[part].blocks);
      if (found !== undefined) return { ...found, part };
    }
    return undefined;
  }

  /**
   * Runs `work`, which returns whether the piece is done. If the blocks of the piece cause a failure, makes the next piece smaller. Calls
   * `giveUp` instead if none of these blocks can be read.
   *
   * @returns false if `work` failed and is to be tried again, perhaps with fewer blocks
   */
  async #attempt(piece: Piece, pace: Pace, { work, giveUp }: Attempt, signal: AbortSignal): Promise<boolean> {
    try {
      pace.worked(await work());
      return true;
    } catch (error) {
      if (error instanceof StaleRange || error instanceof HeadMoved) {
        await sleep(STALE_PAUSE_MS, signal);
        return false;
      }
      if (!(await this.#isFaultOfBlocks(error, pace.failed(piece.from), signal))) throw error;
      const blocks = piece.to - piece.from + 1;
      if (blocks === 1 || (isPruned(error) && (await this.#isEndPruned(piece, signal)))) {
        await giveUp(this.#deps.redact(messageOf(error)).slice(0, REASON_LENGTH_MAX));
        return true;
      }
      pace.narrow(blocks);
      return false;
    }
  }

  /**
   * Returns whether the blocks that were read are the cause of an error. Any error counts as caused by them after more than `FAILURES_MAX`
   * failures in a row, unless the endpoints are out of service or limit the rate, or the database is out of service.
   */
  async #isFaultOfBlocks(error: unknown, failures: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (error instanceof RpcInconsistency) return true;
    if (isServerOutage(error)) return false;
    if (!(error instanceof RpcError)) return failures > FAILURES_MAX;
    if (REFUSALS.has(error.kind)) return true;
    if (failures <= FAILURES_MAX || error.kind === 'rate-limited') return false;
    return this.#deps.source.head(signal).then(
      () => true,
      () => false,
    );
  }

  /** Returns whether the last block of a piece is pruned too, and therefore all blocks of the piece. */
  async #isEndPruned(piece: Piece, signal: AbortSignal): Promise<boolean> {
    return this.#read({ ...piece, from: piece.to }, signal).then(() => false, isPruned);
  }

  /** Compares the facts of a piece with the chain, and repairs them. Returns false if the piece is to be read again later. */
  async #prove(piece: Piece, part: Part, seen: ChainState, signal: AbortSignal): Promise<boolean> {
    const { database } = this.#deps;
    const { contracts } = piece;
    const { range, batch } = await this.#read(piece, signal);
    if (part === 'followed' && !this.#confirmation.suffices(range, this.#paces.followed)) return false;
    const full = { seen, range, batch, contracts };
    const blocks = await findDifferences(database, full, 'unproved');
    const [from, to] = [blocks[0], blocks.at(-1)];
    if (from === undefined || to === undefined) return true;
    await this.#repair({ from, to, contracts, inFull: 'receipts' }, 'proof', range.faultyEndpoints ?? [], signal);
    await findDifferences(database, full, 'unproved');
    return true;
  }

  #repair({ from, to, contracts }: Piece, cause: string, endpoints: readonly string[], signal: AbortSignal) {
    const { chainId } = this.#deps.scope;
    return repairBlocks({ ...this.#deps, chainId }, { from, to, contracts, cause, endpoints }, signal);
  }

  /**
   * Reads the next blocks of a doubt from receipts, and repairs their facts. Reads no block above `last`, which is final and not above the
   * head.
   *
   * @returns false if the reading failed and is to be tried again, perhaps with fewer blocks
   */
  async #readDoubt(doubt: Doubt, last: number, signal: AbortSignal): Promise<boolean> {
    const { database } = this.#deps;
    const from = doubt.readTo === null ? doubt.from : doubt.readTo + 1;
    const to = Math.min(doubt.to, from + this.#paces.doubt.blocks - 1, last);
    const giveUp = (reason: string) => recordDoubtUnreadable(database.kysely, doubt, reason);
    const contracts = await this.#contractsOf([doubt.contract]);
    if (contracts.length === 0) {
      await giveUp('the contract is not followed');
      return true;
    }
    const piece: Piece = { from, to, contracts, inFull: 'receipts' };
    const work = async () => {
      const { to: readTo, changed } = await this.#repair(piece, doubt.rule, [], signal);
      await recordDoubtRead(database.kysely, doubt, readTo, changed);
      return true;
    };
    return this.#attempt(piece, this.#paces.doubt, { work, giveUp }, signal);
  }

  #read(piece: Piece, signal: AbortSignal): Promise<FetchedRange> {
    return readInFull(this.#deps.source, piece, signal);
  }

  async #recordFailure({ from, to }: BlockRange, reason: string): Promise<void> {
    const { database, log, scope } = this.#deps;
    log.warn({ chain: scope.chainId, from, to, reason }, 'blocks cannot be proved');
    await recordFailedProof(database.kysely, scope.chainId, { from, to, reason });
  }

  async #deleteSettled(intervalMs: number): Promise<void> {
    const { database, scope, runtime } = this.#deps;
    if (runtime.now() - this.#settledAt < intervalMs) return;
    await deleteSettledProofs(database.kysely, scope.chainId);
    this.#settledAt = runtime.now();
  }

  /** Returns contracts from a cache of the registry. Reads the registry again if the cache is old or lacks a contract. */
  async #contractsOf(keys: readonly ContractKey[]): Promise<readonly RegisteredContract[]> {
    const { database, scope, runtime } = this.#deps;
    const known = () => keys.flatMap((key) => this.#registry.get(contractKey(key)) ?? []);
    const isOld = runtime.now() - this.#registryReadAt > REGISTRY_TTL_MS;
    if (isOld || known().length < keys.length) {
      const contracts = await provableContracts(database.kysely, scope.chainId);
      this.#registry = new Map(contracts.map((contract) => [contractKey(contract), contract]));
      this.#registryReadAt = runtime.now();
    }
    return known();
  }
}

function isPruned(error: unknown): boolean {
  return error instanceof RpcError && error.kind === 'pruned';
}
