import pg from 'pg';
import { messageOf } from '../kernel/errors.ts';
import { sleep } from '../kernel/sleep.ts';

const RETRY_INTERVAL_MS = 1_000;
const HEARTBEAT_INTERVAL_MS = 2_000;
const ANSWER_TIMEOUT_MS = 5_000;
/** The server lets go of a leader that is silent for so long: frozen, or behind a cut wire. */
const SILENCE_MAX_MS = 15_000;

export type LeaderOptions = {
  readonly databaseUrl: string;
  readonly chainId: number;
  /** Told of every change: this process leads, another does, or the database is away. */
  readonly onChange: (state: 'leading' | 'standing by' | 'away', error?: Error) => void;
};

/**
 * Runs `work` while this process leads the chain, until the signal aborts: of all processes over one database one leads, the
 * others stand by and take over within seconds of its end.
 *
 * Leading is a session's advisory lock. It is lost with the connection; then the work's signal aborts. That two may believe
 * they lead for a moment harms nothing: every commit of the head compares and sets it.
 */
export async function lead(
  { databaseUrl, chainId, onChange }: LeaderOptions,
  work: (signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  let state = '';
  const change = (next: 'leading' | 'standing by' | 'away', error?: Error) => {
    if (next !== state) onChange(next, error);
    state = next;
  };
  while (!signal.aborted) {
    const client = sessionOf(databaseUrl);
    const lost = new AbortController();
    client.on('error', () => lost.abort());
    client.on('end', () => lost.abort());
    try {
      await client.connect();
      while (!signal.aborted && !lost.signal.aborted) {
        if (await tryLock(client, chainId)) {
          change('leading');
          await whileHeld(client, lost, signal, work);
          break;
        }
        change('standing by');
        await sleep(RETRY_INTERVAL_MS, AbortSignal.any([signal, lost.signal]));
      }
    } catch (error) {
      change('away', error instanceof Error ? error : new Error(messageOf(error)));
    } finally {
      client.end().catch(() => undefined);
    }
    if (!signal.aborted) await sleep(RETRY_INTERVAL_MS * (0.5 + Math.random() / 2), signal);
  }
}

/** Runs the work under heartbeats; returns once both ended. */
async function whileHeld(
  client: pg.Client,
  lost: AbortController,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const leading = AbortSignal.any([signal, lost.signal]);
  const ended = new AbortController();
  const beats = (async () => {
    while (!leading.aborted && !ended.signal.aborted) {
      await sleep(HEARTBEAT_INTERVAL_MS, AbortSignal.any([leading, ended.signal]));
      if (!leading.aborted) await client.query('select 1').catch(() => lost.abort());
    }
  })();
  try {
    await work(leading);
  } finally {
    ended.abort();
    await beats;
  }
}

function sessionOf(databaseUrl: string): pg.Client {
  return new pg.Client({
    connectionString: databaseUrl,
    application_name: 'indexer-leader',
    connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
  });
}

async function tryLock(client: pg.Client, chainId: number): Promise<boolean> {
  await client.query(`set idle_session_timeout = ${SILENCE_MAX_MS}`);
  const { rows } = await client.query<{ locked: boolean }>(
    'select pg_try_advisory_lock(hashtextextended($1, 0)) as locked',
    [`indexer:leader:${chainId}`],
  );
  return rows[0]?.locked === true;
}
