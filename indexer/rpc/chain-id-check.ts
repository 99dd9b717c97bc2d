import { ConfigError, RpcInconsistency } from '../kernel/errors.ts';
import { type Backoff, backoffMs } from '../kernel/retry.ts';
import type { Client } from './client.ts';
import { orAborted } from './concurrency.ts';
import type { EndpointNotice } from './notice.ts';
import type { Pace } from './pace.ts';

/** Delay before the chain id of an endpoint that serves another chain is requested again. */
const RECHECK_BACKOFF: Backoff = { baseMs: 60_000, maxMs: 3_600_000 };

/** Checks whether an endpoint serves the right chain. */
export type ChainIdCheck = {
  /** Requests the chain id. Throws `ConfigError` if it is another chain's, and refuses the endpoint until a check finds the right id. */
  check(signal: AbortSignal | undefined): Promise<void>;
  /** Checks the chain id with one request, which all waiting callers share. */
  require(signal: AbortSignal | undefined): Promise<void>;
  /** Returns whether the last chain id that the endpoint returned is the expected one. False before the first check. */
  isRight(): boolean;
  /** If the last check found another chain, returns a message with advice, and starts a recheck when one is due. Otherwise undefined. */
  refusal(): string | undefined;
};

type CheckDeps = {
  readonly client: Client;
  readonly pace: Pace;
  readonly chainId: number;
  readonly now: () => number;
  readonly random: () => number;
  readonly notice: (notice: EndpointNotice) => void;
  /** Aborts when the endpoint is closed. */
  readonly closed: AbortSignal;
};

/** Creates the check of the chain id of one endpoint. */
export function createChainIdCheck({ client, pace, chainId, now, random, notice, closed }: CheckDeps): ChainIdCheck {
  const { name, label } = client;
  let isRight = false;
  let refused: { readonly detail: string; readonly times: number; readonly recheckAt: number } | undefined;
  let checking: Promise<void> | undefined;

  async function check(signal: AbortSignal | undefined): Promise<void> {
    const ask = () => client.request('eth_chainId', [], { signal });
    const served = readChainId(await pace.run('eth_chainId', [{ method: 'eth_chainId' }], ask, signal));
    if (served === chainId) {
      if (refused !== undefined)
        notice({ event: 'endpoint restored', endpoint: name, detail: `it serves chain ${chainId} now` });
      isRight = true;
      refused = undefined;
      return;
    }
    const detail = `${label}: serves chain ${served}, not ${chainId}; correct the URL, or name it RPC_URL_${served}`;
    if (refused === undefined) notice({ event: 'endpoint refused', endpoint: name, detail });
    const times = (refused?.times ?? 0) + 1;
    refused = { detail, times, recheckAt: now() + backoffMs(times, RECHECK_BACKOFF, random) };
    isRight = false;
    throw new ConfigError(detail, { context: { endpoint: name, chainId: served, expected: chainId } });
  }

  async function require(signal: AbortSignal | undefined): Promise<void> {
    // All waiting callers share this request, so no single caller's signal may abort it.
    checking ??= check(closed).finally(() => {
      checking = undefined;
    });
    await orAborted(checking, signal);
  }

  return {
    check,
    require,
    isRight: () => isRight,
    refusal() {
      if (refused !== undefined && now() >= refused.recheckAt && checking === undefined && !closed.aborted)
        void require(closed).catch(() => undefined);
      return refused?.detail;
    },
  };
}

function readChainId(raw: unknown): number {
  const chainId = typeof raw === 'string' && /^0x[0-9a-f]{1,14}$/i.test(raw) ? Number(raw) : Number.NaN;
  if (Number.isSafeInteger(chainId)) return chainId;
  throw new RpcInconsistency('malformed chain id', { context: { value: String(JSON.stringify(raw)).slice(0, 100) } });
}
