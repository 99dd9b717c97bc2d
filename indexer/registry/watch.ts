import pg from 'pg';
import { sleep, within } from '../kernel/sleep.ts';

/** What the triggers send to. */
const CHANNEL = 'indexer_contracts';
const POLL_INTERVAL_MS = 30_000;
const RECONNECT_DELAY_MIN_MS = 250;
const RECONNECT_DELAY_MAX_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** `chain`: contracts of one chain changed; `ipo`: the platform inserted an IPO; `anything`: look at everything. */
export type RegistryChange =
  | { readonly of: 'chain'; readonly chainId: number }
  | { readonly of: 'ipo' }
  | { readonly of: 'anything' };

export type WatchOptions = {
  readonly databaseUrl: string;
  /** Called once at the start, at every announcement, after every interruption and at every slow poll; must not throw. */
  readonly onChange: (change: RegistryChange) => void;
  /** Told about a lost connection; the watch connects again by itself. */
  readonly onError?: (error: Error) => void;
  readonly pollIntervalMs?: number;
};

/**
 * Tells when the set of contracts may have changed, until the signal aborts; then it resolves. Never throws.
 *
 * A `LISTEN` on a connection of its own brings an announcement at once. A notification can be missed (connection lost,
 * trigger disabled), so a slow poll stands behind it, and every new connection begins with "anything".
 */
export async function watchContracts(options: WatchOptions, signal: AbortSignal): Promise<void> {
  let delay = RECONNECT_DELAY_MIN_MS;
  while (!signal.aborted) {
    try {
      await listen(options, signal, () => {
        delay = RECONNECT_DELAY_MIN_MS;
      });
    } catch (error) {
      if (signal.aborted) return;
      options.onError?.(error instanceof Error ? error : new Error(String(error)));
      await sleep(delay, signal);
      delay = Math.min(delay * 2, RECONNECT_DELAY_MAX_MS);
    }
  }
}

/** One connection's life: resolves when the signal aborts, throws when the connection is lost. */
async function listen(options: WatchOptions, signal: AbortSignal, onConnected: () => void): Promise<void> {
  const { databaseUrl, onChange, pollIntervalMs = POLL_INTERVAL_MS } = options;
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'indexer-watch',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
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
      onChange({ of: 'anything' });
      await within(pollIntervalMs, lost, signal);
      // Also finds a connection that died without a word, which a listener alone would never notice.
      if (!signal.aborted) await Promise.race([client.query('select 1'), lost]);
    }
  } finally {
    await client.end().catch(() => undefined);
  }
}

function changeOf(payload: string | undefined): RegistryChange {
  if (payload === 'ipo') return { of: 'ipo' };
  if (payload !== undefined && /^[0-9]{1,15}$/.test(payload)) return { of: 'chain', chainId: Number(payload) };
  return { of: 'anything' };
}
