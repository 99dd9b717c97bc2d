import { explainConnectionFailure } from '../kernel/connection-failure.ts';
import { messageOf } from '../kernel/errors.ts';

/** Default maximum size of a response. A larger response means that the requested range of blocks is too wide. */
export const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
/** Maximum size of a response about a single block or transaction. Such a request cannot be split into smaller ones. */
export const MAX_BLOCK_BYTES = 64 * 1024 * 1024;

/** Error codes of JSON-RPC 2.0, EIP-1474, EIP-4444, geth and QuickNode that this program acts on. */
export const RPC_CODE = {
  executionReverted: 3,
  prunedHistory: 4444,
  methodNotFound: -32601,
  invalidParams: -32602,
  methodNotSupported: -32004,
  requestRateExceeded: -32007,
} as const;

/** Options that a caller may give a request. */
export type RequestOptions = {
  readonly signal?: AbortSignal | undefined;
  readonly maxBytes?: number | undefined;
  /**
   * Whether a transport that makes batches by itself may send this request together with others that have the same signal. Set it
   * only for requests whose responses are compared with what was requested.
   */
  readonly mayBatch?: boolean | undefined;
};

/** The method and parameters of one request. */
export type Call = { readonly method: string; readonly params: readonly unknown[] };

/** Describes why a request failed, before the failure is classified. The text may contain secrets. */
export type Failure = {
  /**
   * - `aborted`: the caller's signal aborted.
   * - `too-large`: the response exceeded its size limit.
   * - `truncated`: the response ended before it was complete.
   * - `error-response`: the node answered with a JSON-RPC error or an HTTP error status.
   * - `no-response`: there was no response, or it was not JSON-RPC.
   * - `mismatched`: a batch was not answered with exactly one response for each call.
   */
  readonly type: 'aborted' | 'too-large' | 'truncated' | 'error-response' | 'no-response' | 'mismatched';
  readonly status?: number | undefined;
  readonly code?: number | undefined;
  readonly text: string;
  /** Whether no connection could be made; the text says why and what to do. */
  readonly unreachable?: boolean;
  /** Whether there was no response in time. */
  readonly timedOut?: boolean;
  readonly retryAfter?: string | null | undefined;
};

/** What a call returned, or why it failed. */
export type CallOutcome = { readonly result: unknown } | { readonly failure: Failure };
/** The outcome of each call of a batch, in the order of the calls, or the failure of the whole batch. */
export type BatchOutcome = { readonly outcomes: readonly CallOutcome[] } | { readonly failure: Failure };

/** Limits of one request, and whether it may share a batch (see `RequestOptions`). */
export type SendOptions = {
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  readonly mayBatch?: boolean | undefined;
};

/** Sends JSON-RPC requests over HTTP, WebSocket or a viem transport. `request` and `batch` report failures as values and never throw. */
export type Transport = {
  /** Sends one call. */
  request(call: Call, options: SendOptions): Promise<CallOutcome>;
  /** Sends several calls in one request and matches the responses by id. Undefined where the transport has no batches. */
  readonly batch?: ((calls: readonly Call[], options: SendOptions) => Promise<BatchOutcome>) | undefined;
  /** Subscribes to new heads until the returned function or `onLost` is called. Only WebSocket transports have it. */
  readonly subscribe?:
    | ((onHead: (header: unknown) => void, onLost: (reason: string) => void) => Promise<() => void>)
    | undefined;
  /** Closes the connection. The next request opens another. Only the transport of `connectWebSocket` has it. */
  readonly disconnect?: (() => void) | undefined;
  /** Closes all connections. */
  close(): void;
};

/** The HTTP status and `Retry-After` header of a response. WebSocket responses have neither. */
export type HttpMeta = { readonly status: number; readonly retryAfter: string | null };

/** Returns the JSON text of a request. The calls of a batch are numbered upwards from `id`. */
export function encodeRequest(calls: Call | readonly Call[], id: number): string {
  const member = ({ method, params }: Call, index: number) => ({ jsonrpc: '2.0', id: id + index, method, params });
  return JSON.stringify(isBatch(calls) ? calls.map(member) : member(calls, 0));
}

/** Returns whether a request is a batch. */
export function isBatch(calls: Call | readonly Call[]): calls is readonly Call[] {
  return Array.isArray(calls);
}

/** Reads a response. A response with an error is a failure even if it also has a result. */
export function readResponse(response: unknown, http?: HttpMeta): CallOutcome {
  const { result, error } = membersOf(response);
  if (error !== undefined && error !== null) return { failure: errorResponse(error, http) };
  if (result !== undefined) return { result };
  const text = `the response has no result: ${JSON.stringify(response)?.slice(0, 200)}`;
  return { failure: { type: 'no-response', text } };
}

/**
 * Reads the responses to a batch whose ids count up from `id`, and returns them in the order of the calls.
 *
 * A single error instead of the responses (bare, or alone in an array as geth sends it) fails the whole batch. If there is
 * not exactly one response for each call, none of them is used.
 */
export function readBatchResponse(response: unknown, id: number, calls: number, http?: HttpMeta): BatchOutcome {
  if (Array.isArray(response) && response.length === calls) {
    const outcomes = new Array<CallOutcome | undefined>(calls).fill(undefined);
    for (const member of response) {
      const index = Number(membersOf(member).id) - id;
      if (!(index in outcomes) || outcomes[index] !== undefined) {
        return mismatched('the batch response contains an id that was not requested');
      }
      outcomes[index] = readResponse(member, http);
    }
    return { outcomes: outcomes as CallOutcome[] };
  }
  const single = Array.isArray(response) && response.length !== 1 ? undefined : [response].flat()[0];
  const outcome = single === undefined ? undefined : readResponse(single, http);
  if (outcome !== undefined && 'failure' in outcome) return outcome;
  return mismatched(`the batch response does not contain one response for each of ${calls} calls`);
}

function mismatched(text: string): BatchOutcome {
  return { failure: { type: 'mismatched', text } };
}

/** Converts the `error` member of a response into a failure. */
export function errorResponse(error: unknown, http: HttpMeta | undefined): Failure {
  const { code, message, data } = typeof error === 'object' ? membersOf(error) : { message: error };
  const text = typeof message === 'string' ? message : JSON.stringify(error);
  return {
    type: 'error-response',
    ...httpMembersOf(http),
    code: typeof code === 'number' ? code : undefined,
    // Besu and Nethermind put the actual reason into `data`. Hexadecimal `data` is the revert data of a contract and not a reason.
    text: typeof data === 'string' && !data.startsWith('0x') ? `${text} ${data}` : text,
  };
}

/** There was no response to a request in time. */
export class RequestTimeout extends Error {
  constructor(timeoutMs: number) {
    super(`the request timed out after ${timeoutMs} ms`);
  }
}

/** Returns the failure of a request that got no response. */
export function noResponse(error: unknown): Failure {
  if (error instanceof RequestTimeout) return { type: 'no-response', text: error.message, timedOut: true };
  const unreachable = explainConnectionFailure(error, 'the node');
  if (unreachable !== undefined) return { type: 'no-response', text: unreachable, unreachable: true };
  return { type: 'no-response', text: messageOf(error) };
}

/** Returns the HTTP members of a failure. A successful status is left out, since it says nothing about the failure. */
export function httpMembersOf(http: HttpMeta | undefined): Pick<Failure, 'status' | 'retryAfter'> {
  if (http === undefined) return {};
  const { status, retryAfter } = http;
  return isSuccess(status) ? { retryAfter } : { status, retryAfter };
}

/** Returns whether an HTTP status is 2xx. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

type Members = Readonly<Record<'id' | 'result' | 'error' | 'code' | 'message' | 'data', unknown>>;

/** Returns the JSON-RPC members of a value that may be anything. */
export function membersOf(raw: unknown): Partial<Members> {
  return typeof raw === 'object' && raw !== null ? (raw as Partial<Members>) : {};
}
