type Options = { readonly cause?: unknown; readonly context?: Readonly<Record<string, unknown>> };

/**
 * The base class of the program's own errors. Each has a message, structured context, an optional cause, and a flag that says whether a
 * retry can succeed.
 */
export class IndexerError extends Error {
  override readonly name: string = 'IndexerError';
  readonly retryable: boolean = false;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(message: string, options: Options = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.context = options.context ?? {};
  }
}

/** The configuration or the environment is wrong; the message names every fault and its place. */
export class ConfigError extends IndexerError {
  override readonly name = 'ConfigError';
}

/** The command line is wrong (exit code 2). */
export class UsageError extends IndexerError {
  override readonly name = 'UsageError';
}

/** The schema of the database is not the one that this program needs. */
export class SchemaVersionError extends IndexerError {
  override readonly name = 'SchemaVersionError';
}

/**
 * Why an endpoint gave no result for a request:
 *
 * - `unavailable`: it is down or slow, or its answer is malformed.
 * - `rate-limited`: it received too many requests.
 * - `range-refused`: the block range or the result is too large for it.
 * - `addresses-refused`: it accepts fewer addresses in a filter than the request names, or requires at least one.
 * - `unknown-block`: it does not have the block, because it lags behind or the block was reorganised. The caller reads the head again.
 * - `pruned`: it has deleted the requested history for good.
 * - `rejected`: the request itself is at fault, for example because a call reverts or the node does not know the method.
 */
export type RpcErrorKind =
  | 'unavailable'
  | 'rate-limited'
  | 'range-refused'
  | 'addresses-refused'
  | 'unknown-block'
  | 'pruned'
  | 'rejected';

/** An endpoint gave no result for a request. The message holds no secret of the endpoint. A `cause` could hold one, so there is none. */
export class RpcError extends IndexerError {
  override readonly name = 'RpcError';
  override readonly retryable: boolean;
  readonly kind: RpcErrorKind;
  /** The delay that the provider asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The number of blocks that the provider says it would serve. */
  readonly hintBlocks: number | undefined;
  /** The number of addresses that the provider says it accepts in one filter. */
  readonly hintAddresses: number | undefined;
  /** Whether the node answered with a JSON-RPC error. This error says nothing about other methods, unless its kind is `rate-limited`. */
  readonly answered: boolean;
  /** Whether no connection could be made. */
  readonly unreachable: boolean;
  /** Whether there was no answer in time. */
  readonly timedOut: boolean;

  constructor(
    kind: RpcErrorKind,
    message: string,
    options: Omit<Options, 'cause'> & {
      readonly retryAfterMs?: number | undefined;
      readonly hintBlocks?: number | undefined;
      readonly hintAddresses?: number | undefined;
      readonly answered?: boolean | undefined;
      readonly unreachable?: boolean | undefined;
      readonly timedOut?: boolean | undefined;
    } = {},
  ) {
    super(message, options);
    this.kind = kind;
    this.retryable = kind !== 'pruned' && kind !== 'rejected';
    this.retryAfterMs = options.retryAfterMs;
    this.hintBlocks = options.hintBlocks;
    this.hintAddresses = options.hintAddresses;
    this.answered = options.answered ?? false;
    this.unreachable = options.unreachable ?? false;
    this.timedOut = options.timedOut ?? false;
  }
}

/**
 * A node's answers contradict each other or the rules of the chain. They are never committed. The request is repeated, then sent to
 * another endpoint.
 */
export class RpcInconsistency extends IndexerError {
  override readonly name = 'RpcInconsistency';
  override readonly retryable = true;
}

/** The first header of a range is not a child of the block that the caller expects below it, most likely because of a reorganisation. */
export class AnchorMismatch extends RpcInconsistency {}

/** Between the fetch of a range and its commit, the chain was unwound or another branch became canonical. The range is fetched again. */
export class StaleRange extends IndexerError {
  override readonly name = 'StaleRange';
  override readonly retryable = true;
}

/** Another process moved the chain's head or changed the set of followed contracts first. The head is read again. */
export class HeadMoved extends IndexerError {
  override readonly name = 'HeadMoved';
  override readonly retryable = true;
}

/** The database already holds facts, or a checkpoint of another branch, for blocks that a commit would write. Never ignored. */
export class FactConflict extends IndexerError {
  override readonly name = 'FactConflict';
}

/** The work was stopped by its `AbortSignal`. */
export class Aborted extends IndexerError {
  override readonly name = 'Aborted';
}

/**
 * Returns the message of any thrown value. Node.js reports a failed connection to a host with several addresses as
 * an `AggregateError` without a message. In that case the messages of the inner errors are joined.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message || error.name : String(error);
}
