import { sleep } from '../kernel/sleep.ts';
import { type AnswerLimit, createAnswerLimit } from './answer-limit.ts';
import { type BatchSize, createBatchSize } from './batch-size.ts';
import type { CallBudget } from './call-budget.ts';
import { createChainIdCheck } from './chain-id-check.ts';
import type { BatchAnswer, Client } from './client.ts';
import { createFilterLimit, type FilterLimit } from './filter-limit.ts';
import { isEndpointFailure, isMethodFailure } from './health.ts';
import type { Call, RequestOptions } from './json-rpc.ts';
import { type BudgetState, countSubscription } from './monthly-budget.ts';
import { createPace, type PaceSettings } from './pace.ts';
import { createQuarantine, type Quarantine } from './quarantine.ts';
import { createRangeSize, type RangeSize } from './range-size.ts';

/** A block tag that moves with the chain. Some nodes do not support every tag. */
export type BlockTag = 'finalized' | 'safe';

/** Sends single requests. It is an endpoint, or a collector that sends the requests to an endpoint in batches. */
export type Requester = {
  readonly name: string;
  /** The text with which error messages about the endpoint begin: the setting that holds its URL or, if there is none, `name`. */
  readonly label: string;
  readonly chainId: number;
  /** Returns the result. Throws `RpcError` or `Aborted`. */
  request(method: string, params: readonly unknown[], options?: RequestOptions): Promise<unknown>;
};

/** The state of an endpoint, for status reports. Contains no secret. */
export type EndpointState = {
  /** Host (or the key of a viem transport) and index, as in `rpc.example.org#0`. */
  readonly endpoint: string;
  /**
   * - `healthy`: requests are sent.
   * - `cooling down`: it failed, and is asked again after a pause.
   * - `quarantined`: it gave contradicting answers, and is used only if no other endpoint answers.
   * - `refused`: it serves another chain.
   */
  readonly status: 'healthy' | 'cooling down' | 'quarantined' | 'refused';
  /** Why the endpoint is not healthy. Undefined if it is healthy. */
  readonly reason: string | undefined;
  /** The number of blocks that the next `eth_getLogs` asks for. */
  readonly rangeBlocks: number;
  /** How many calls per second are sent at most. Undefined while no limit is known. */
  readonly callsPerSecond: number | undefined;
  /** How much of the monthly budget is spent. Undefined without a budget, and until the total of all processes is known. */
  readonly budget: BudgetState | undefined;
};

/**
 * One node or provider, with its health, its limits, and the features that it does not support. A request is sent only when health and
 * limits allow it (see `Pace`), and only after the endpoint has confirmed that it serves the right chain.
 */
export type Endpoint = Requester & {
  /** Sends several calls at once. Throws `BatchRejected`, `RpcError` or `Aborted` if there are no answers. */
  batch(calls: readonly Call[], signal: AbortSignal | undefined): Promise<readonly BatchAnswer[]>;
  readonly batchSize: BatchSize;
  readonly rangeSize: RangeSize;
  readonly filterLimit: FilterLimit;
  readonly answerLimit: AnswerLimit;
  readonly subscribe: Client['subscribe'];
  readonly disconnect: Client['disconnect'];
  /** Requests the chain id. Throws `ConfigError` if it is another chain's, and refuses the endpoint until a check finds the right id. */
  checkChainId(signal: AbortSignal | undefined): Promise<void>;
  /** Returns a message with advice if the endpoint serves another chain. Otherwise, and before the first check, undefined. */
  refusal(): string | undefined;
  /** Makes the pool prefer other endpoints for a while after an answer that cannot be true (see `Contradiction`). */
  readonly quarantine: Quarantine;
  /** Returns the current state of the endpoint. */
  state(): EndpointState;
  /** Returns for how many milliseconds all requests (with `kind`: requests of this kind) are still paused after a failure; 0 if not. */
  delayMs(kind?: string): number;
  /** Returns whether so many recent requests failed that the pool should ask other endpoints first. */
  isUnreliable(): boolean;
  /** The features that the endpoint does not support, as its answers have shown. */
  readonly unsupported: {
    blockHashFilter: boolean;
    blockReceipts: boolean;
    /** Set if a log named another timestamp or hash than the header of its block. Timestamps in logs are then not relied on. */
    logTimestamps: boolean;
    readonly tags: Set<BlockTag>;
  };
  /** The highest block that the endpoint reported as pruned; -1 if there is none. */
  prunedAt: number;
  /** The endpoint is assumed to have the receipts of block `from` and of all higher blocks until the clock `now` shows `until`. */
  served: { readonly from: number; readonly until: number };
  /** The number of blocks whose receipts are read if the endpoint fails to answer the next `eth_getLogs`. 1 if it answered the last one. */
  receiptBlocks: number;
  /** Closes all connections. */
  close(): void;
};

/** Settings and dependencies of an endpoint. */
export type EndpointSettings = PaceSettings & {
  readonly chainId: number;
  readonly initialRangeBlocks: number;
  /** Limits the calls to all endpoints of a source (the reader of one chain) together. Undefined if there is no limit. */
  readonly budget?: CallBudget | undefined;
};

async function spend(budget: CallBudget | undefined, calls: number, signal: AbortSignal | undefined): Promise<void> {
  const waitMs = budget?.take(calls) ?? 0;
  if (waitMs > 0) await sleep(waitMs, signal);
}

/** Returns an endpoint that sends its requests through a client. */
export function createEndpoint(client: Client, settings: EndpointSettings): Endpoint {
  const { name, label } = client;
  const pace = createPace(name, settings);
  const closed = new AbortController();
  const batchSize = createBatchSize(settings.now);
  const rangeSize = createRangeSize(settings.initialRangeBlocks, settings.now);
  if (client.batch === undefined) batchSize.unsupported();

  const deps = { ...settings, client, pace, name, closed: closed.signal };
  const chainId = createChainIdCheck(deps);
  const quarantine = createQuarantine({ ...deps, checkChainId: chainId.check });

  return {
    name,
    label,
    chainId: settings.chainId,
    quarantine,
    subscribe: countSubscription(client.subscribe, settings.meter?.budget),
    disconnect: client.disconnect,
    async request(method, params, options: RequestOptions = {}) {
      if (!chainId.isRight()) await chainId.require(options.signal);
      await spend(settings.budget, 1, options.signal);
      const kind = kindOfRequest(method, params);
      return pace.run(kind, [{ method }], () => client.request(method, params, options), options.signal);
    },
    async batch(calls, signal) {
      if (!chainId.isRight()) await chainId.require(signal);
      await spend(settings.budget, calls.length, signal);
      let answers: readonly BatchAnswer[] | undefined;
      const ask = async () => {
        answers = (await client.batch?.(calls, signal)) ?? [];
        // A failed call of the batch counts against the health of the endpoint like a failed request.
        for (const answer of answers) {
          if ('error' in answer && (isEndpointFailure(answer.error) || isMethodFailure(answer.error)))
            throw answer.error;
        }
      };
      try {
        await pace.run(kindOfRequest(calls[0]?.method ?? 'batch', calls[0]?.params ?? []), calls, ask, signal);
      } catch (error) {
        if (answers === undefined) throw error;
      }
      return answers ?? [];
    },
    batchSize: { ...batchSize, calls: () => Math.min(batchSize.calls(), pace.burst()) },
    checkChainId: chainId.check,
    refusal: chainId.refusal,
    state() {
      const rate = pace.callsPerSecond();
      const callsPerSecond = Number.isFinite(rate) ? rate : undefined;
      const budget = settings.meter?.budget?.state();
      const figures = { endpoint: name, rangeBlocks: rangeSize.blocks(), callsPerSecond, budget };
      const refusal = chainId.refusal();
      if (refusal !== undefined) return { ...figures, status: 'refused', reason: refusal };
      const evidence = quarantine.evidence();
      if (evidence !== undefined) return { ...figures, status: 'quarantined', reason: evidence };
      const reason = pace.failure()?.message;
      return { ...figures, status: reason === undefined ? 'healthy' : 'cooling down', reason };
    },
    delayMs: pace.delayMs,
    isUnreliable: pace.isUnreliable,
    rangeSize,
    filterLimit: createFilterLimit(settings.now),
    answerLimit: createAnswerLimit(),
    unsupported: { blockHashFilter: false, blockReceipts: false, logTimestamps: false, tags: new Set() },
    prunedAt: -1,
    served: { from: Number.POSITIVE_INFINITY, until: 0 },
    receiptBlocks: 1,
    close() {
      closed.abort();
      client.close();
    },
  };
}

/**
 * Returns the kind of a request: the method and, if the first parameter is a block tag, the tag, as in `eth_getBlockByNumber finalized`.
 * Requests of one kind tend to fail together.
 */
export function kindOfRequest(method: string, [first]: readonly unknown[]): string {
  return typeof first === 'string' && !first.startsWith('0x') ? `${method} ${first}` : method;
}
