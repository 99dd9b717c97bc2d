import { IndexerError, RpcError } from '../kernel/errors.ts';
import { mapLimit } from './limit.ts';
import type { Call, RequestOptions } from './transport.ts';

/** Calls of one batch; the default limit of some nodes (Erigon, Nethermind) is no lower. */
const BATCH_MAX_CALLS = 100;
/** A size that failed is not passed again for so long, twice as long each time until a batch was answered. */
const CEILING_TTL_MS = 60_000;
const CEILING_TTL_MAX_MS = 3_600_000;
/** Where batches failed for reasons unknown, so many calls are tried after a while. */
const PROBE_CALLS = 8;
/** Requests of one `mapBatched` under way. */
const IN_FLIGHT = 16;
/** Calls of one `mapBatched` under way in batches. */
const CALLS_IN_FLIGHT = 400;

/** A batch was refused as such: the endpoint may well answer the same questions in smaller batches, or one by one. */
export class BatchRefused extends IndexerError {
  /** How many calls would do; undefined where the endpoint seems to take no batches at all. */
  readonly fitting: number | undefined;

  constructor(message: string, fitting: number | undefined) {
    super(message);
    this.fitting = fitting;
  }
}

/** What came of one call of a batch; `again`: it is to be asked alone, since what was refused may be the batch's size. */
export type Answer = { readonly result: unknown } | { readonly error: RpcError } | { readonly again: true };

/** How many calls an endpoint takes in one batch: learnt from what it does with them. */
export type BatchSize = {
  /** Calls to send at once; 1 where there is to be no batch. */
  calls(): number;
  accepted(calls: number): void;
  /** So many calls were too many; `fitting` would do. */
  refused(fitting: number): void;
  /** A batch failed, and it may have been for being one. */
  failed(calls: number): void;
  /** The endpoint takes no batches, and is sent none again; not believed of one that has answered a batch. */
  unsupported(): void;
};

export function createBatchSize(now: () => number): BatchSize {
  let size = BATCH_MAX_CALLS;
  let isProven = false;
  let isOff = false;
  let growsAt = Number.NEGATIVE_INFINITY;
  let ttlMs = CEILING_TTL_MS;

  function limit(calls: number): void {
    // Batches that were under way together fail together, which is one reason to wait.
    if (now() >= growsAt) {
      growsAt = now() + ttlMs;
      ttlMs = Math.min(2 * ttlMs, CEILING_TTL_MAX_MS);
    }
    size = Math.max(1, Math.min(size, calls));
  }

  return {
    calls() {
      if (isOff) return 1;
      return size === 1 && now() >= growsAt ? PROBE_CALLS : size;
    },
    accepted(calls) {
      isProven = true;
      ttlMs = CEILING_TTL_MS;
      if (now() >= growsAt && calls >= size) size = Math.min(2 * calls, BATCH_MAX_CALLS);
    },
    refused: limit,
    failed: (calls) => limit(isProven ? Math.floor(calls / 2) : 1),
    unsupported() {
      isOff = !isProven;
    },
  };
}

/** Who can be asked one question at a time: an endpoint, or a stand-in that gathers what it is asked into batches. */
export type Asker = {
  readonly name: string;
  request(method: string, params: readonly unknown[], options?: RequestOptions): Promise<unknown>;
};

/** An endpoint that can also be asked several questions at once. */
export type BatchAsker = Asker & {
  /** The answers in the order of the calls. Throws `BatchRefused`, `RpcError` or `Aborted` where there are none. */
  batch(calls: readonly Call[], signal: AbortSignal | undefined): Promise<readonly Answer[]>;
  readonly batchSize: BatchSize;
};

/**
 * Maps items by questions to one endpoint: what the calls of `map` ask at the same time goes out in batches, as large as the
 * endpoint takes them, and one by one where it takes none. To `map` there is no difference: each question has its own
 * answer or error. The first failure aborts the others and is thrown.
 *
 * @param maxCalls of one batch, where the requests are large
 */
export async function mapBatched<T, R>(
  peer: BatchAsker,
  items: readonly T[],
  signal: AbortSignal | undefined,
  map: (item: T, asker: Asker, signal: AbortSignal) => Promise<R>,
  maxCalls: number = BATCH_MAX_CALLS,
): Promise<R[]> {
  const size = Math.min(peer.batchSize.calls(), Math.max(1, maxCalls));
  if (size === 1 || items.length <= 1) {
    return mapLimit(items, IN_FLIGHT, signal, (item, stop) => map(item, peer, stop));
  }
  const parts = Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
  const inFlight = Math.min(IN_FLIGHT, Math.ceil(CALLS_IN_FLIGHT / size));
  const results = await mapLimit(parts, inFlight, signal, (part, stop) => {
    const asker = gathering(peer);
    return mapLimit(part, part.length, stop, (item, stopItem) => map(item, asker, stopItem));
  });
  return results.flat();
}

type Question = Call & {
  readonly options: RequestOptions | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
};

/** Puts what it is asked in one turn of the event loop to the endpoint together. */
function gathering(peer: BatchAsker): Asker {
  let gathered: Question[] = [];
  const put = () => {
    const questions = gathered;
    gathered = [];
    ask(peer, questions).catch((error: unknown) => {
      for (const question of questions) question.reject(error);
    });
  };
  return {
    name: peer.name,
    request: (method, params, options) =>
      new Promise((resolve, reject) => {
        if (gathered.length === 0) process.nextTick(put);
        gathered.push({ method, params, options, resolve, reject });
      }),
  };
}

async function ask(peer: BatchAsker, questions: readonly Question[]): Promise<void> {
  const { batchSize } = peer;
  const signal = questions[0]?.options?.signal; // one for all: that of the `mapBatched` which asks
  for (let next = 0; next < questions.length; ) {
    const size = batchSize.calls();
    const batch = questions.slice(next, next + size);
    if (batch.length === 1 || size === 1) return askSingly(peer, questions.slice(next), () => undefined);
    try {
      const answers = await peer.batch(batch, signal);
      if (answers.some(isRateLimited)) batchSize.refused(Math.floor(batch.length / 2));
      else batchSize.accepted(batch.length);
      next += batch.length;
      await askSingly(peer, settle(batch, answers), () => undefined);
    } catch (error) {
      if (error instanceof RpcError) {
        if (error.kind === 'rate-limited') batchSize.refused(Math.floor(batch.length / 2));
        else batchSize.failed(batch.length);
      }
      if (!(error instanceof BatchRefused)) throw error;
      if (error.fitting !== undefined) {
        batchSize.refused(error.fitting);
        continue;
      }
      // Believed once the endpoint answers one by one what it did not answer together.
      batchSize.failed(batch.length);
      next += batch.length;
      await askSingly(peer, batch, () => batchSize.unsupported());
    }
  }
}

function isRateLimited(answer: Answer): boolean {
  return 'error' in answer && answer.error.kind === 'rate-limited';
}

/** Hands out the answers; the questions that are to be asked again, alone. */
function settle(questions: readonly Question[], answers: readonly Answer[]): readonly Question[] {
  return questions.filter((question, index) => {
    const answer = answers[index];
    if (answer === undefined || 'again' in answer) return true;
    if ('result' in answer) question.resolve(answer.result);
    else question.reject(answer.error);
    return false;
  });
}

async function askSingly(peer: Asker, questions: readonly Question[], onResult: () => void): Promise<void> {
  await mapLimit(questions, IN_FLIGHT, undefined, async ({ method, params, options, resolve, reject }) => {
    try {
      const result = await peer.request(method, params, options);
      onResult();
      resolve(result);
    } catch (error) {
      reject(error);
    }
  });
}
