import { type RawBuilder, sql } from 'kysely';
import type pg from 'pg';
import { type Sessions, sessionClient } from '../db/server.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import { Wake } from '../kernel/wake.ts';
import { isAdvisoryLock } from './locks.ts';

/** The interval at which a process tries to take the leadership locks of chains, and at which a leader sends a sign of life. */
const HEARTBEAT_INTERVAL_MS = 400;
/**
 * PostgreSQL closes the connection of a leader that sends nothing for this long, because it froze or lost its network. Another process
 * takes over within 5 s, which is the sum of this time, one heartbeat interval, and an allowance for a commit.
 */
const SILENCE_MAX_MS = 2_500;
const RECONNECT_BACKOFF: Backoff = { baseMs: 1_000, maxMs: 1_000 };
const ANSWER_TIMEOUT_MS = 5_000;

/** Whether this process leads the chain, another process does, or this one has no connection to the database. */
export type Leadership = 'leading' | 'standing by' | 'disconnected';

/** A chain that this process is ready to lead. */
type Candidate = {
  readonly chainId: number;
  /** Called whenever the leadership changes. */
  readonly onChange: (leadership: Leadership, error?: Error) => void;
};

/** A chain that this process does not lead now. `lead` begins the work on it, with a signal that aborts when the leadership is lost. */
type Waiting = Candidate & { readonly lead: (lost: AbortSignal) => void };

/** A connection that holds the locks of the chains that this process leads. */
type Session = { readonly client: pg.Client; readonly lost: AbortController; readonly led: Set<number> };

/**
 * Elects one process to lead each chain, among all processes that use a database. All chains of a process share one connection.
 *
 * Leadership is an advisory lock of a session. Behind a pooler, it is a lock of a transaction, which stays open and holds no snapshot.
 * When the connection is lost, PostgreSQL releases the lock and the work aborts. The work also aborts when the connection no longer
 * accepts writes: after a failover, the lock has to be taken on the new primary. For a moment two processes may both believe that they
 * lead. This is harmless, because every commit compares and sets the head.
 */
export class LeaderElection {
  readonly #sessions: Sessions;
  readonly #random: () => number;
  readonly #waiting = new Set<Waiting>();
  readonly #changed = new Wake();
  #members = 0;
  #isKept = false;
  #session: Session | undefined;

  /** @param random returns numbers in [0, 1), for the jitter of reconnects */
  constructor(sessions: Sessions, random: () => number) {
    this.#sessions = sessions;
    this.#random = random;
  }

  /**
   * Runs `work` whenever this process leads the chain, until the signal aborts. Other processes stand by. One of them takes over within
   * seconds after this process stops, freezes or loses its network.
   */
  async run(
    { chainId, onChange }: Candidate,
    work: (signal: AbortSignal) => Promise<unknown>,
    signal: AbortSignal,
  ): Promise<void> {
    let current: Leadership | undefined;
    const change = (next: Leadership, error?: Error) => {
      if (next !== current) onChange(next, error);
      current = next;
    };
    const retry = new Retry(RECONNECT_BACKOFF, this.#random);
    this.#join();
    try {
      while (!signal.aborted) {
        const lost = await this.#waitForLead({ chainId, onChange: change }, signal);
        if (lost === undefined) return;
        change('leading');
        try {
          await work(AbortSignal.any([signal, lost]));
        } catch (error) {
          change('disconnected', asError(error));
        }
        if (lost.aborted && !signal.aborted) change('disconnected', asError(lost.reason));
        await this.#release(chainId, lost);
        await sleep(retry.failed(), signal);
      }
    } finally {
      this.#leave();
    }
  }

  /** Resolves once this process leads the chain, to a signal that aborts when it no longer leads. Undefined if `signal` aborts first. */
  #waitForLead(candidate: Candidate, signal: AbortSignal): Promise<AbortSignal | undefined> {
    return new Promise((resolve) => {
      const stop = () => {
        this.#waiting.delete(waiting);
        resolve(undefined);
      };
      const lead = (lost: AbortSignal) => {
        signal.removeEventListener('abort', stop);
        this.#waiting.delete(waiting);
        resolve(lost);
      };
      const waiting: Waiting = { ...candidate, lead };
      signal.addEventListener('abort', stop, { once: true });
      this.#waiting.add(waiting);
      this.#changed.wake();
    });
  }

  /**
   * Releases the chain's lock, so that another process can lead. Behind a pooler, the lock of a transaction cannot be released alone, so
   * the connection is closed with all its locks.
   */
  async #release(chainId: number, lost: AbortSignal): Promise<void> {
    const session = this.#session;
    if (session === undefined || session.lost.signal !== lost || lost.aborted) return;
    session.led.delete(chainId);
    if (this.#sessions.lasting) await unlock(session.client, chainId).catch((error) => session.lost.abort(error));
    else session.lost.abort(new IndexerError('the work on a chain ended'));
  }

  #join(): void {
    this.#members += 1;
    if (!this.#isKept) void this.#keepSession();
  }

  #leave(): void {
    this.#members -= 1;
    this.#changed.wake();
  }

  /** Keeps a connection to the database open while any call of `run` is in progress. Never throws. */
  async #keepSession(): Promise<void> {
    const retry = new Retry(RECONNECT_BACKOFF, this.#random);
    this.#isKept = true;
    while (this.#members > 0) {
      const client = sessionClient(this.#sessions, 'indexer-leader', ANSWER_TIMEOUT_MS);
      const session: Session = { client, lost: new AbortController(), led: new Set() };
      const lose = (error?: Error) => session.lost.abort(error ?? new IndexerError('the connection was closed'));
      client.on('error', lose);
      client.on('end', () => lose());
      this.#session = session;
      try {
        await client.connect();
        if (this.#sessions.lasting) await client.query(`set idle_session_timeout = ${SILENCE_MAX_MS}`);
        while (this.#members > 0 && !session.lost.signal.aborted) {
          await this.#beat(session);
          await this.#changed.wait(HEARTBEAT_INTERVAL_MS, session.lost.signal);
        }
      } catch (error) {
        lose(asError(error));
        for (const { onChange } of this.#waiting) onChange('disconnected', asError(error));
      }
      lose();
      client.end().catch(() => undefined);
      if (this.#members > 0) await this.#changed.wait(retry.failed());
    }
    this.#isKept = false;
  }

  /** Sends a sign of life, and tries to take the leadership locks of the chains that this process does not lead. */
  async #beat(session: Session): Promise<void> {
    const { client, led } = session;
    const isNewTransaction = !this.#sessions.lasting && led.size === 0;
    if (isNewTransaction)
      await client.query(`begin; set local idle_in_transaction_session_timeout = ${SILENCE_MAX_MS}`);
    const locked = await tryLocks(
      client,
      this.#sessions,
      [...this.#waiting].map(({ chainId }) => chainId),
    );
    for (const chainId of locked) {
      led.add(chainId);
      const winner = [...this.#waiting].find((waiting) => waiting.chainId === chainId);
      if (winner === undefined) await this.#release(chainId, session.lost.signal);
      else winner.lead(session.lost.signal);
    }
    if (isNewTransaction && led.size === 0) await client.query('rollback');
    for (const { onChange } of this.#waiting) onChange('standing by');
  }
}

/** Returns an SQL condition: whether a process leads a chain now. The leading process holds the chain's leadership lock. */
export function hasLeader(chainId: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`exists (
    select from pg_locks where granted and ${isAdvisoryLock(sql`hashtextextended('indexer:leader:' || ${chainId}, 0)`)}
  )`;
}

/**
 * Tries to take the leadership locks of chains. Returns the chains whose locks were free.
 *
 * @throws {IndexerError} if the connection accepts no writes
 */
async function tryLocks(
  client: pg.Client,
  { lasting }: Sessions,
  chainIds: readonly number[],
): Promise<readonly number[]> {
  const tryLock = lasting ? 'pg_try_advisory_lock' : 'pg_try_advisory_xact_lock';
  const { rows } = await client.query<{ isReadOnly: string; locked: readonly string[] }>(
    `select current_setting('transaction_read_only') as "isReadOnly", array(
       select chain_id::text from unnest($1::bigint[]) as chain_id
       where ${tryLock}(hashtextextended('indexer:leader:' || chain_id, 0))) as locked`,
    [chainIds],
  );
  const [row] = rows;
  if (row?.isReadOnly !== 'off') throw new IndexerError('the database accepts no writes');
  return row.locked.map(Number);
}

async function unlock(client: pg.Client, chainId: number): Promise<void> {
  await client.query(`select pg_advisory_unlock(hashtextextended($1, 0))`, [`indexer:leader:${chainId}`]);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
