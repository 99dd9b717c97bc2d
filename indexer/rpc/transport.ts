/** An answer larger than this is a range asked too wide; one block may take `MAX_BLOCK_BYTES`. */
export const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
export const MAX_BLOCK_BYTES = 64 * 1024 * 1024;

export type RequestOptions = { readonly signal?: AbortSignal | undefined; readonly maxBytes?: number | undefined };

/** One question of JSON-RPC. */
export type Call = { readonly method: string; readonly params: readonly unknown[] };

/** What went wrong with a request, before anyone decided what it means. Its text may hold secrets. */
export type Failure = {
  /**
   * `too-large`: the answer passed its bound; `cut`: it has no end; `answered`: with an error; `broken`: with no answer, or
   * with garbage; `mismatched`: the answers of a batch are not one for each of its calls.
   */
  readonly how: 'aborted' | 'too-large' | 'cut' | 'answered' | 'broken' | 'mismatched';
  readonly status?: number | undefined;
  readonly code?: number | undefined;
  readonly text: string;
  readonly retryAfter?: string | null | undefined;
};

export type Outcome = { readonly result: unknown } | { readonly failure: Failure };
/** The outcome of each call of a batch, in the order of the calls, or what went wrong with all of them. */
export type BatchOutcome = { readonly outcomes: readonly Outcome[] } | { readonly failure: Failure };

export type SendOptions = { readonly signal: AbortSignal; readonly maxBytes: number };

/** One way to put questions. Never throws: whoever asks decides what a failure means. */
export type Transport = {
  request(call: Call, options: SendOptions): Promise<Outcome>;
  /** Puts several questions in one request; answers are matched to them by id alone. */
  batch(calls: readonly Call[], options: SendOptions): Promise<BatchOutcome>;
  /** New heads as the node announces them, until `stop` or `onLost`; only over WebSocket. */
  subscribe?(onHead: (header: unknown) => void, onLost: (why: string) => void): Promise<() => void>;
  close(): void;
};
