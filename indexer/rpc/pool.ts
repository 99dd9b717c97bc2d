import { Aborted, ConfigError, messageOf, RpcError, RpcInconsistency } from '../kernel/errors.ts';
import { type Backoff, backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import { AnchorMismatch } from '../source/verify.ts';
import type { Peer, SourceNotice } from './peer.ts';

const RETRY_BACKOFF: Backoff = { baseMs: 200, maxMs: 5_000 };

export type Ask = {
  readonly signal: AbortSignal | undefined;
  /** The lowest block that the answer needs: endpoints that have pruned it are asked last. */
  readonly from?: number | undefined;
};

/** The endpoints of one chain, asked in turn. */
export type Pool = {
  /**
   * Runs a task on one endpoint, and again (there or on another) as its error says: a bounded number of times, then its
   * error is thrown. What is no `RpcError` and no `RpcInconsistency` is thrown at once.
   */
  ask<T>(task: (peer: Peer) => Promise<T>, ask: Ask): Promise<T>;
  /** Runs a task once on every endpoint that is not in trouble; the answers of those that gave one. Throws when none did. */
  each<T>(task: (peer: Peer) => Promise<T>): Promise<{ readonly peer: Peer; readonly value: T }[]>;
  /** Endpoints in use, the preferred one first. Throws `ConfigError` when all were refused. */
  peers(): readonly Peer[];
  /** Prefers another endpoint from now on. */
  demote(peer: Peer): void;
};

export type PoolSettings = {
  readonly attempts: number;
  readonly random: () => number;
  readonly notice: (notice: SourceNotice) => void;
};

/** What an error of a task asks for: give up, put this endpoint aside, ask another next, or ask the same once more. */
type Verdict = 'throw' | 'aside' | 'next' | 'again';

export function createPool(all: readonly Peer[], { attempts, random, notice }: PoolSettings): Pool {
  let order = [...all];

  function peers(): readonly Peer[] {
    const usable = order.filter((peer) => !peer.isRefused());
    if (usable.length > 0) return usable;
    throw new ConfigError(`every RPC endpoint serves another chain: ${all.map((peer) => peer.name).join(', ')}`);
  }

  /** The next endpoint for a task: not aside, fewest tries first, then healthy, then with the history, then in order. */
  function choose(tries: ReadonlyMap<Peer, number>, from: number | undefined): Peer | undefined {
    const rank = (peer: Peer) => [
      tries.get(peer) ?? 0,
      peer.delayMs(),
      from !== undefined && from <= peer.prunedAt ? 1 : 0,
    ];
    return peers()
      .filter((peer) => tries.get(peer) !== Number.POSITIVE_INFINITY)
      .map((peer) => ({ peer, rank: rank(peer) }))
      .reduce<{ peer: Peer; rank: number[] } | undefined>(
        (best, candidate) => (best === undefined || compare(candidate.rank, best.rank) < 0 ? candidate : best),
        undefined,
      )?.peer;
  }

  async function ask<T>(task: (peer: Peer) => Promise<T>, { signal, from }: Ask): Promise<T> {
    const tries = new Map<Peer, number>();
    const failed = new Map<Peer, number>();
    let worst: unknown;
    const limit = Math.max(attempts, 2 * all.length);
    for (let attempt = 1; ; attempt++) {
      if (signal?.aborted) throw new Aborted('told to stop');
      const peer = choose(tries, from);
      if (peer === undefined) throw worst;
      try {
        return await task(peer);
      } catch (thrown) {
        const error = named(thrown, peer);
        const verdict = verdictOf(error, failed.get(peer) ?? 0);
        if (verdict === 'throw') throw error;
        // A contradiction tells the caller more than that another endpoint was away.
        if (!(worst instanceof RpcInconsistency)) worst = error;
        if (error instanceof RpcInconsistency)
          notice({ event: 'inconsistent', endpoint: peer.name, detail: error.message });
        if (error instanceof RpcError && error.kind === 'pruned' && from !== undefined) {
          peer.prunedAt = Math.max(peer.prunedAt, from);
        }
        failed.set(peer, (failed.get(peer) ?? 0) + 1);
        if (verdict !== 'again')
          tries.set(peer, verdict === 'aside' ? Number.POSITIVE_INFINITY : (tries.get(peer) ?? 0) + 1);
        if (attempt >= limit) throw worst;
        const repeats = verdict === 'again' || choose(tries, from) === peer;
        if (repeats) await sleep(backoffMs(failed.get(peer) ?? 1, RETRY_BACKOFF, random), signal);
      }
    }
  }

  return {
    ask,
    async each(task) {
      // One in trouble would keep the others waiting; where all are, all are asked.
      const well = peers().filter((peer) => peer.delayMs() === 0);
      const asked = well.length > 0 ? well : peers();
      const settled = await Promise.allSettled(asked.map(async (peer) => ({ peer, value: await task(peer) })));
      const answers = settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
      if (answers.length > 0) return answers;
      throw settled.find((outcome) => outcome.status === 'rejected')?.reason;
    },
    peers,
    demote(peer) {
      if (order[0] === peer) order = [...order.slice(1), peer];
    },
  };
}

function verdictOf(error: unknown, failuresBefore: number): Verdict {
  if (error instanceof AnchorMismatch) return 'aside';
  if (error instanceof RpcInconsistency) return failuresBefore === 0 ? 'again' : 'next';
  if (error instanceof ConfigError) return 'aside';
  if (!(error instanceof RpcError)) return 'throw';
  switch (error.kind) {
    case 'unavailable':
    case 'rate-limited':
    case 'range-refused':
      return 'next';
    case 'unknown-block':
    case 'pruned':
      return 'aside';
    case 'rejected':
      // Another endpoint may serve the method; none will like a call that reverts better.
      return error.context.code === -32601 ? 'aside' : 'throw';
  }
}

/** Says which endpoint contradicted itself. */
function named(error: unknown, peer: Peer): unknown {
  if (!(error instanceof RpcInconsistency) || error.context.endpoint !== undefined) return error;
  const Kind = error instanceof AnchorMismatch ? AnchorMismatch : RpcInconsistency;
  return new Kind(`${peer.name}: ${messageOf(error)}`, { context: { ...error.context, endpoint: peer.name } });
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
