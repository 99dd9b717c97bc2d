/** An answer larger than this is a range asked too wide; one block may take `MAX_BLOCK_BYTES`. */
export const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
export const MAX_BLOCK_BYTES = 64 * 1024 * 1024;

export type RequestOptions = { readonly signal?: AbortSignal | undefined; readonly maxBytes?: number | undefined };

/** What went wrong with a request, before anyone decided what it means. Its text may hold secrets. */
export type Failure = {
  /** `too-large`: the answer passed its bound; `answered`: with an error; `broken`: with no answer, or with garbage. */
  readonly how: 'aborted' | 'too-large' | 'answered' | 'broken';
  readonly status?: number | undefined;
  readonly code?: number | undefined;
  readonly text: string;
  readonly retryAfter?: string | null | undefined;
};

export type Outcome = { readonly result: unknown } | { readonly failure: Failure };

/** One way to put a question. Never throws: whoever asks decides what a failure means. */
export type Transport = {
  request(
    method: string,
    params: readonly unknown[],
    options: { readonly signal: AbortSignal; readonly maxBytes: number },
  ): Promise<Outcome>;
  /** New heads as the node announces them, until `stop` or `onLost`; only over WebSocket. */
  subscribe?(onHead: (header: unknown) => void, onLost: (why: string) => void): Promise<() => void>;
  close(): void;
};
