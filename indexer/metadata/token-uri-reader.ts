import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Hex } from '../kernel/chain.ts';
import { messageOf, RpcError } from '../kernel/errors.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import type { Runtime } from '../kernel/runtime.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import { readChain } from '../progress/chains.ts';
import { URI_BYTES_MAX, uriOf } from '../protocols/shared/answers.ts';
import type { Source } from '../source/source.ts';
import { noteMetadataUpdates } from './metadata-updates.ts';
import { saveUris, type UriAnswer } from './save-uris.ts';
import { dueTokens, rangePieces, type Token, type UnreadMaster, unreadMasters, unreadTokens } from './unread-tokens.ts';

/** Dependencies of a reader of token URIs. */
export type TokenUriDeps = {
  readonly database: Database;
  readonly chainId: number;
  /** Makes the calls. The source limits them to the rate that the operator allows for token URIs. */
  readonly source: Pick<Source, 'calls'>;
  readonly log: Logger;
  readonly runtime: Runtime;
};

/** The first four bytes of keccak-256 of `tokenURI(uint256)`. */
const TOKEN_URI_SELECTOR = 'c87b56dd';
/**
 * Maximum number of tokens whose URIs are read together. The next two constants limit how many of them are due tokens, and how many are in
 * ranges of updated tokens. The others are tokens without a URI.
 */
const PIECE_TOKENS_MAX = 100;
const DUE_TOKENS_MAX = 40;
const RANGE_TOKENS_MAX = 30;
const RANGE_TOKENS_OF_CONTRACT_MAX = 10;
const TOKENS_OF_MASTER_MAX = 20;
/** Maximum number of statements with which one step looks for tokens without a URI. */
const STATEMENTS_MAX = 10;
const IDLE_INTERVAL_MS = 5_000;
/** After `#unread` has looked at all tokens without a URI, it pauses for this multiple of the time that its statements took. */
const SWEEP_PAUSE_FACTOR = 20;
/**
 * Upper limit of this pause, for each statement that looked for tokens. It limits the effect of a statement that was slow because it waited
 * for a lock or because the machine was busy for a moment.
 */
const STATEMENT_PAUSE_MAX_MS = 10_000;
const SWEEP_PAUSE_MAX_MS = 600_000;
const RETRY_BACKOFF: Backoff = { baseMs: 1_000, maxMs: 60_000 };
const REASON_LENGTH_MAX = 300;

/** For each token its URI or the reason why there is none, and the error if the endpoints did not answer. */
type Reading = { readonly answers: readonly UriAnswer[]; readonly failure?: unknown };

/**
 * Reads `tokenURI` of tokens of a chain's masters (ERC-721 contracts) as of the head, in small batches. Reads tokens that have no URI,
 * tokens whose metadata was updated, and tokens whose earlier reading failed. Only one process per chain runs a reader.
 */
export class TokenUriReader {
  readonly #deps: TokenUriDeps;
  readonly #retry: Retry;
  #pieceTokens = PIECE_TOKENS_MAX;
  /** The masters whose tokens without a URI were not all looked at yet. `after`: the id of the last token that was looked at. */
  #sweep: (UnreadMaster & { readonly after: string })[] = [];
  /** How many statements have looked for tokens without a URI since the last pause, and how long they have taken. */
  #sweepStatements = 0;
  #sweepMs = 0;
  #sweepsAt = Number.NEGATIVE_INFINITY;

  constructor(deps: TokenUriDeps) {
    this.#deps = deps;
    this.#retry = new Retry(RETRY_BACKOFF, deps.runtime.random);
  }

  /** Reads token URIs until the signal aborts. Logs a failure and tries again after a pause. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, chainId: chain } = this.#deps;
    while (!signal.aborted) {
      try {
        if (!(await this.step(signal))) await sleep(IDLE_INTERVAL_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        const retryInMs = this.#retry.failed();
        log.warn({ chain, reason: messageOf(error), retryInMs, err: error }, 'reading token URIs failed');
        await sleep(retryInMs, signal);
      }
    }
  }

  /** Reads the URIs of one batch of tokens. Returns false if there is nothing more to read for now. */
  async step(signal: AbortSignal): Promise<boolean> {
    const { database, chainId } = this.#deps;
    const { head, finalized = -1 } = await readChain(database.kysely, chainId);
    if (head === undefined || (await isLoading(database))) return false;
    await noteMetadataUpdates(database, chainId);
    const size = this.#pieceTokens;
    const due = await dueTokens(database.kysely, chainId, Math.min(DUE_TOKENS_MAX, size));
    const room = Math.min(RANGE_TOKENS_MAX, size - due.length);
    const limits = { limit: room, limitOfContract: Math.min(RANGE_TOKENS_OF_CONTRACT_MAX, room) };
    const ranges = room === 0 ? [] : await rangePieces(database.kysely, chainId, limits);
    const known = [...due, ...ranges.flatMap(({ tokens }) => tokens)];
    const unread = await this.#unread(size - known.length);
    const tokens = distinct([...known, ...unread]);
    if (tokens.length === 0 && ranges.length === 0) return this.#sweep.length > 0;
    const { answers, failure } = await this.#read(tokens, head.number, signal);
    await saveUris(database, { chainId, block: head.number, finalized, answers, ranges });
    if (failure !== undefined) throw failure;
    return true;
  }

  /**
   * Reads the URIs of tokens. A failure makes the next batches smaller, because one token may make the endpoint fail or hang. If the only
   * token of a batch fails, returns the error and the reason instead of throwing, so that the token is scheduled for a later attempt.
   * Throws if the endpoint limits the rate.
   */
  async #read(tokens: readonly Token[], block: number, signal: AbortSignal): Promise<Reading> {
    if (tokens.length === 0) return { answers: [] };
    try {
      const results = await this.#deps.source.calls({ calls: tokens.map(callOf), blockNumber: block }, signal);
      this.#retry.succeeded();
      this.#pieceTokens = Math.min(PIECE_TOKENS_MAX, this.#pieceTokens * 2);
      return { answers: tokens.map((token, at) => ({ ...token, ...uriIn(results[at] as Hex | RpcError) })) };
    } catch (failure) {
      this.#pieceTokens = Math.max(1, Math.floor(this.#pieceTokens / 4));
      const isLimited = failure instanceof RpcError && failure.kind === 'rate-limited';
      if (signal.aborted || isLimited || tokens.length > 1) throw failure;
      const reason = messageOf(failure).slice(0, REASON_LENGTH_MAX);
      return { answers: tokens.map((token) => ({ ...token, reason })), failure };
    }
  }

  /** Returns the next tokens without a URI that were not tried yet. Masters take turns. */
  async #unread(limit: number): Promise<readonly Token[]> {
    const { database, chainId, runtime } = this.#deps;
    const { kysely } = database;
    const begunAt = runtime.now();
    if (this.#sweep.length === 0) {
      if (begunAt < this.#sweepsAt) return [];
      this.#sweepMs = 0;
      this.#sweepStatements = 1;
      this.#sweep = (await unreadMasters(kysely, chainId)).map((master) => ({ ...master, after: '-1' }));
    }
    const found: Token[] = [];
    for (let statement = 0; statement < STATEMENTS_MAX && found.length < limit; statement++) {
      const master = this.#sweep.shift();
      if (master === undefined) break;
      const most = Math.min(limit - found.length, TOKENS_OF_MASTER_MAX);
      this.#sweepStatements += 1;
      const { tokens, lookedAt } = await unreadTokens(kysely, chainId, master, master.after, most);
      found.push(...tokens);
      if (lookedAt !== undefined) this.#sweep.push({ ...master, after: lookedAt });
    }
    this.#sweepMs += runtime.now() - begunAt;
    if (this.#sweep.length === 0) {
      const longestMs = Math.min(SWEEP_PAUSE_MAX_MS, this.#sweepStatements * STATEMENT_PAUSE_MAX_MS);
      const pauseMs = Math.max(IDLE_INTERVAL_MS, Math.min(longestMs, this.#sweepMs * SWEEP_PAUSE_FACTOR));
      this.#sweepsAt = runtime.now() + (found.length > 0 ? 0 : pauseMs);
    }
    return found;
  }
}

function callOf({ address, tokenId }: Token): { readonly to: Hex; readonly data: Hex } {
  return { to: address, data: `0x${TOKEN_URI_SELECTOR}${BigInt(tokenId).toString(16).padStart(64, '0')}` };
}

function uriIn(result: Hex | RpcError): { readonly uri: string } | { readonly reason: string } {
  if (result instanceof RpcError) return { reason: 'the call reverts, or its result is larger than 4 MiB' };
  const uri = uriOf(result);
  if (uri === undefined) return { reason: `the URI is longer than ${URI_BYTES_MAX} bytes` };
  return uri === '' ? { reason: 'the contract answers no text' } : { uri };
}

function distinct(tokens: readonly Token[]): readonly Token[] {
  return [...new Map(tokens.map((token) => [`${token.address} ${token.tokenId}`, token])).values()];
}

/** Returns whether the index that finds tokens without a URI is missing, because an initial load dropped it and has not built it again. */
async function isLoading({ kysely }: Database): Promise<boolean> {
  const { rows } = await sql`
    select from indexer.deferred_indexes where name = 'public.master_nfts_without_uri_idx' limit 1
  `.execute(kysely);
  return rows.length > 0;
}
