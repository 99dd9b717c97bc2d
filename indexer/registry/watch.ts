import type pg from 'pg';
import { type Sessions, sessionClient } from '../db/server.ts';
import { IndexerError } from '../kernel/errors.ts';
import { WHOLE_NUMBER } from '../kernel/patterns.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import { sleep, within } from '../kernel/sleep.ts';

/** The channel on which triggers on the platform's tables, and commands of the indexer, notify running daemons. */
const CHANNEL = 'indexer_contracts';
const POLL_INTERVAL_MS = 30_000;
/** The poll interval behind a pooler, where there are no notifications. */
const POLL_WITHOUT_LISTEN_INTERVAL_MS = 5_000;
const RECONNECT_BACKOFF: Backoff = { baseMs: 250, maxMs: 15_000 };
const ANSWER_TIMEOUT_MS = 5_000;

/**
 * What changed. `chain`: contracts or requests of one chain; `ipo`: the platform inserted an IPO; `revenue`: the platform wrote to
 * `revenue_events`; `anything`: any of these may have happened.
 */
export type RegistryChange =
  | { readonly type: 'chain'; readonly chainId: number }
  | { readonly type: 'ipo' }
  | { readonly type: 'revenue' }
  | { readonly type: 'anything' };

/** The connection, callbacks and intervals of the watch. */
export type WatchOptions = {
  readonly sessions: Sessions;
  /** Called at the start, at every notification, after every reconnect and at every poll; must not throw. */
  readonly onChange: (change: RegistryChange) => void;
  /** Called when the connection is lost; the watch reconnects by itself. */
  readonly onError?: (error: Error) => void;
  readonly pollIntervalMs?: number;
  /** Numbers in [0, 1), for the jitter of reconnecting. */
  readonly random: () => number;
};

/**
 * Calls `onChange` when contracts, requests, IPOs or rows of revenue may have changed, until the signal aborts. Never throws.
 *
 * A `LISTEN` on its own connection reports notifications at once. Notifications can be missed (connection lost, trigger
 * disabled), so it also reports `anything` at an interval and after every connect. Behind a pooler it only reports at an interval.
 */
export async function watchContracts(options: WatchOptions, signal: AbortSignal): Promise<void> {
  const retry = new Retry(RECONNECT_BACKOFF, options.random);
  while (!signal.aborted && !options.sessions.lasting) {
    options.onChange({ type: 'anything' });
    await sleep(options.pollIntervalMs ?? POLL_WITHOUT_LISTEN_INTERVAL_MS, signal);
  }
  while (!signal.aborted) {
    try {
      await listen(options, signal, () => retry.succeeded());
    } catch (error) {
      if (signal.aborted) return;
      options.onError?.(error instanceof Error ? error : new Error(String(error)));
      await sleep(retry.failed(), signal);
    }
  }
}

/** Listens over one connection. Resolves when the signal aborts, and throws when the connection is lost. */
async function listen(options: WatchOptions, signal: AbortSignal, onConnected: () => void): Promise<void> {
  const { sessions, onChange, pollIntervalMs = POLL_INTERVAL_MS } = options;
  const client = sessionClient(sessions, 'indexer-watch', ANSWER_TIMEOUT_MS);
  const lost = new Promise<never>((_, reject) => {
    client.on('error', reject);
    client.on('end', () => reject(new Error('the connection that listens for new contracts was closed')));
  });
  lost.catch(() => undefined);
  client.on('notification', ({ payload }) => onChange(changeOf(payload)));
  try {
    await Promise.race([client.connect(), lost]);
    await Promise.race([client.query(`listen ${CHANNEL}`), lost]);
    onConnected();
    while (!signal.aborted) {
      onChange({ type: 'anything' });
      await within(pollIntervalMs, lost, signal);
      // Detect a connection that died silently, or whose server has become a standby. A client that only listens would notice neither.
      if (!signal.aborted && (await Promise.race([isStandby(client), lost]))) {
        throw new IndexerError('the server that notifies is a standby now');
      }
    }
  } finally {
    // Not awaited, because a server that does not answer never closes its end.
    client.end().catch(() => undefined);
  }
}

async function isStandby(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
  return rows[0]?.standby === true;
}

function changeOf(payload: string | undefined): RegistryChange {
  if (payload === 'ipo' || payload === 'revenue') return { type: payload };
  if (payload !== undefined && WHOLE_NUMBER.test(payload)) return { type: 'chain', chainId: Number(payload) };
  return { type: 'anything' };
}
