import { type RawBuilder, sql } from 'kysely';
import type pg from 'pg';
import { type Sessions, sessionClient } from '../db/server.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import { isAdvisoryLock } from './locks.ts';

const LOCK_RETRY_INTERVAL_MS = 1_000;
const RECONNECT_BACKOFF: Backoff = { baseMs: 1_000, maxMs: 1_000 };
const HEARTBEAT_INTERVAL_MS = 2_000;
const ANSWER_TIMEOUT_MS = 5_000;
/** PostgreSQL ends the session of a leader that sends nothing for this long, because it froze or lost its network. */
const SILENCE_MAX_MS = 15_000;

/** Whether this process leads the chain, another process does, or the database cannot be reached. */
export type Leadership = 'leading' | 'standing by' | 'disconnected';

/** The options of `runAsLeader`. */
export type LeaderOptions = {
  readonly sessions: Sessions;
  readonly chainId: number;
  /** Returns numbers in [0, 1), for the jitter of reconnects. */
  readonly random: () => number;
  /** Called whenever the leadership changes. */
  readonly onChange: (leadership: Leadership, error?: Error) => void;
};

/**
 * Runs `work` whenever this process leads the chain, until the signal aborts. One of all processes on a database leads a chain. The
 * others stand by and take over within seconds after it ends.
 *
 * Leadership is an advisory lock of a session. Behind a pooler it is that of a transaction, which stays open and holds no snapshot. When
 * the connection is lost, PostgreSQL releases the lock and the signal of `work` aborts. The same happens when the connection accepts no
 * writes any more: after a failover, the lock has to be taken on the new primary. For a moment two processes may both believe that they lead. This is harmless, because every commit compares and sets the head.
 */
export async function runAsLeader(
  { sessions, chainId, random, onChange }: LeaderOptions,
  work: (signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  const retry = new Retry(RECONNECT_BACKOFF, random);
  let current: Leadership | undefined;
  const change = (next: Leadership, error?: Error) => {
    if (next !== current) onChange(next, error);
    current = next;
  };
  while (!signal.aborted) {
    const client = sessionClient(sessions, 'indexer-leader', ANSWER_TIMEOUT_MS);
    const lost = new AbortController();
    client.on('error', () => lost.abort());
    client.on('end', () => lost.abort());
    try {
      await client.connect();
      while (!signal.aborted && !lost.signal.aborted) {
        if (await tryLock(client, sessions, chainId)) {
          change('leading');
          await runWhileConnected(client, lost, signal, work);
          break;
        }
        change('standing by');
        await sleep(LOCK_RETRY_INTERVAL_MS, AbortSignal.any([signal, lost.signal]));
      }
    } catch (error) {
      change('disconnected', error instanceof Error ? error : new Error(messageOf(error)));
    } finally {
      client.end().catch(() => undefined);
    }
    if (!signal.aborted) await sleep(retry.failed(), signal);
  }
}

/** Returns an SQL condition: whether a process leads a chain now, so that it holds the lock on leadership. */
export function hasLeader(chainId: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`exists (
    select from pg_locks where granted and ${isAdvisoryLock(sql`hashtextextended('indexer:leader:' || ${chainId}, 0)`)}
  )`;
}

/** Runs the work and sends heartbeats. A failed heartbeat aborts the work. Returns once both have ended. */
async function runWhileConnected(
  client: pg.Client,
  lost: AbortController,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const leading = AbortSignal.any([signal, lost.signal]);
  const ended = new AbortController();
  const heartbeats = (async () => {
    while (!leading.aborted && !ended.signal.aborted) {
      await sleep(HEARTBEAT_INTERVAL_MS, AbortSignal.any([leading, ended.signal]));
      if (!leading.aborted) await assertWritable(client).catch(() => lost.abort());
    }
  })();
  try {
    await work(leading);
  } finally {
    ended.abort();
    await heartbeats;
  }
}

async function tryLock(client: pg.Client, { lasting }: Sessions, chainId: number): Promise<boolean> {
  await client.query(
    lasting
      ? `set idle_session_timeout = ${SILENCE_MAX_MS}`
      : `begin; set local idle_in_transaction_session_timeout = ${SILENCE_MAX_MS}`,
  );
  await assertWritable(client);
  const { rows } = await client.query<{ locked: boolean }>(
    `select ${lasting ? 'pg_try_advisory_lock' : 'pg_try_advisory_xact_lock'}(hashtextextended($1, 0)) as locked`,
    [`indexer:leader:${chainId}`],
  );
  const locked = rows[0]?.locked === true;
  if (!lasting && !locked) await client.query('rollback');
  return locked;
}

async function assertWritable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ isReadOnly: string }>(
    `select current_setting('transaction_read_only') as "isReadOnly"`,
  );
  if (rows[0]?.isReadOnly !== 'off') throw new IndexerError('the database accepts no writes');
}
