type Options = { readonly cause?: unknown; readonly context?: Readonly<Record<string, unknown>> };

/**
 * The root of every error that the project raises: one line of what happened, structured context, a cause, and whether
 * trying again can help.
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

/** The database's schema is not the one that this program knows. */
export class SchemaVersionError extends IndexerError {
  override readonly name = 'SchemaVersionError';
}

/**
 * Why an endpoint did not answer: `unavailable` (down, slow, garbled), `rate-limited`, `range-refused` (ask for less),
 * `addresses-refused` (name fewer addresses, or name some), `unknown-block` (behind, or the block was reorganised: ask for the head again), `pruned` (it will never know),
 * `rejected` (the request itself: a revert, an unknown method).
 */
export type RpcErrorKind =
  | 'unavailable'
  | 'rate-limited'
  | 'range-refused'
  | 'addresses-refused'
  | 'unknown-block'
  | 'pruned'
  | 'rejected';

/** A request that a node did not answer. Its text is scrubbed of the endpoint's secrets; it has no cause, since that would not be. */
export class RpcError extends IndexerError {
  override readonly name = 'RpcError';
  override readonly retryable: boolean;
  readonly kind: RpcErrorKind;
  /** As the provider asked, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** How many blocks the provider says it would serve. */
  readonly hintBlocks: number | undefined;
  /** How many addresses the provider says it takes in a filter. */
  readonly hintAddresses: number | undefined;
  /** Whether the node answered with an error of its own: then only this kind of request is in doubt, not the endpoint. */
  readonly answered: boolean;

  constructor(
    kind: RpcErrorKind,
    message: string,
    options: Omit<Options, 'cause'> & {
      readonly retryAfterMs?: number | undefined;
      readonly hintBlocks?: number | undefined;
      readonly hintAddresses?: number | undefined;
      readonly answered?: boolean | undefined;
    } = {},
  ) {
    super(message, options);
    this.kind = kind;
    this.retryable = kind !== 'pruned' && kind !== 'rejected';
    this.retryAfterMs = options.retryAfterMs;
    this.hintBlocks = options.hintBlocks;
    this.hintAddresses = options.hintAddresses;
    this.answered = options.answered ?? false;
  }
}

/** A node's answers contradict each other or the chain's rules: asked again, then asked of another endpoint, never committed. */
export class RpcInconsistency extends IndexerError {
  override readonly name = 'RpcInconsistency';
  override readonly retryable = true;
}

/** The first header of a range is not a child of the block that the caller holds, most likely because of a reorganisation. */
export class AnchorMismatch extends RpcInconsistency {}

/** An unwind, or another branch, came between fetching a range and committing it: fetch it again. */
export class StaleRange extends IndexerError {
  override readonly name = 'StaleRange';
  override readonly retryable = true;
}

/** Another process moved the chain's head or the set of followed contracts first: read the head again. */
export class HeadMoved extends IndexerError {
  override readonly name = 'HeadMoved';
  override readonly retryable = true;
}

/** The database holds a fact or a checkpoint of another branch where this commit would write: never skipped. */
export class FactConflict extends IndexerError {
  override readonly name = 'FactConflict';
}

/** The work was told to stop. */
export class Aborted extends IndexerError {
  override readonly name = 'Aborted';
}

/**
 * Returns the message of anything thrown, in one line. Node.js reports a failed connection to a host with several addresses as
 * an `AggregateError` without a message, of which this returns the inner messages.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message || error.name : String(error);
}
