import type { Kysely } from 'kysely';
import type { DB } from '../db/schema.ts';
import { type ChainHead, chainHeads } from '../progress/recent-blocks.ts';
import { type ChainStatus, chainStatus } from '../progress/status.ts';

/**
 * The whole status is read again after `AGE_MIN_MS`, or after `AGE_MIN_DURATIONS` times the duration of the last read if that is longer.
 * A read of the whole status visits every contract.
 */
const AGE_MIN_MS = 5_000;
const AGE_MIN_DURATIONS = 10;

/** Reads the status of chains for pages and metrics. Concurrent callers share one read. */
export class StatusReader {
  readonly #db: Kysely<DB>;
  readonly #now: () => number;
  #whole: readonly ChainStatus[] = [];
  #dueAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<readonly ChainStatus[]> | undefined;

  /** @param now the time in milliseconds, which only increases */
  constructor(db: Kysely<DB>, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  /** Returns the status of every chain. The heads are current; the rest may be some seconds old. */
  read(): Promise<readonly ChainStatus[]> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<readonly ChainStatus[]> {
    const beganAt = this.#now();
    if (beganAt < this.#dueAt) {
      const heads = new Map((await chainHeads(this.#db)).map((head) => [head.chainId, head]));
      return this.#whole.map((status) => withHead(status, heads.get(status.chainId)));
    }
    this.#whole = await chainStatus(this.#db);
    const endedAt = this.#now();
    this.#dueAt = endedAt + Math.max(AGE_MIN_MS, AGE_MIN_DURATIONS * (endedAt - beganAt));
    return this.#whole;
  }
}

function withHead(status: ChainStatus, head: ChainHead | undefined): ChainStatus {
  if (head === undefined) return status;
  const isComplete = status.completeTo !== null && status.completeTo === status.head?.number;
  // A chain that was complete up to its old head is also complete up to the new one.
  return { ...status, ...head, ...(isComplete && { completeTo: head.head?.number ?? null }) };
}
