import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type RegistryChange, watchContracts } from '../../indexer/registry/watch.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { HANG_TIMEOUT_MS } from '../kit/until.ts';

let test: TestDatabase;
let client: pg.Client;
let stop: AbortController;
let changes: RegistryChange[];
let errors: Error[];
let watching: Promise<void>;

function watch(pollIntervalMs: number, lasting = true): void {
  const onChange = (change: RegistryChange) => changes.push(change);
  watching = watchContracts(
    {
      sessions: { url: test.url, lasting },
      pollIntervalMs,
      random: Math.random,
      onChange,
      onError: (error) => errors.push(error),
    },
    stop.signal,
  );
}

beforeEach(async () => {
  [changes, errors, stop] = [[], [], new AbortController()];
  test = await createDatabase();
  client = new pg.Client({ connectionString: test.url });
  await client.connect();
});

afterEach(async () => {
  stop.abort();
  await watching;
  await client.end();
  await test.drop();
});

const ANYTHING = { type: 'anything' };

const soon = (check: () => void) => vi.waitFor(check, { timeout: HANG_TIMEOUT_MS, interval: 20 });

describe('watching the registry', () => {
  it('reports an insert by the platform without waiting for the poll', async () => {
    watch(3_600_000);
    await soon(() => expect(changes).toEqual([ANYTHING]));
    await client.query(`
      with person as (insert into users (email, display_name) values ('a@b.c', 'a') returning id),
      artist as (insert into artists (user_id, artist_name, slug) select id, 'a', 'a' from person returning id)
      insert into artist_tokens (artist_id, chain_id, contract_address, name, symbol, total_supply)
      select id, '8453', '0x${'aB'.repeat(20)}', 'A', 'A', 0 from artist`);
    await soon(() => expect(changes).toEqual([ANYTHING, { type: 'chain', chainId: 8453 }]));
    await client.query(`select pg_notify('indexer_contracts', 'ipo')`);
    await client.query(`select pg_notify('indexer_contracts', 'nonsense')`);
    await soon(() => expect(changes.slice(2)).toEqual([{ type: 'ipo' }, ANYTHING]));
  });

  it('polls all chains regularly, in case a notification was missed', async () => {
    watch(50);
    await soon(() => expect(changes.length).toBeGreaterThan(3));
    expect(new Set(changes.map((change) => change.type))).toEqual(new Set(['anything']));
  });

  it('only polls where sessions do not last', async () => {
    watch(50, false);
    await soon(() => expect(changes.length).toBeGreaterThan(3));
    const { rows } = await client.query(
      `select from pg_stat_activity where datname = current_database() and application_name = 'indexer-watch'`,
    );
    expect(rows).toEqual([]);
  });

  it('reconnects when the connection is lost, and checks all chains', async () => {
    watch(3_600_000);
    await soon(() => expect(changes).toHaveLength(1));
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'indexer-watch'`,
    );
    await soon(() => expect(changes).toHaveLength(2));
    expect(errors).toHaveLength(1);
    await client.query(`select pg_notify('indexer_contracts', '1')`);
    await soon(() => expect(changes.at(-1)).toEqual({ type: 'chain', chainId: 1 }));
  });

  it('stops at once on an abort, whether connected or not', async () => {
    watch(3_600_000);
    await soon(() => expect(changes).toHaveLength(1));
    // The next poll is an hour away, and stopping does not wait for it.
    stop.abort();
    await watching;

    const stopUnreachable = new AbortController();
    const unreachable = watchContracts(
      {
        sessions: { url: 'postgres://localhost:1/x', lasting: true },
        random: Math.random,
        onChange: () => undefined,
        onError: (error) => errors.push(error),
      },
      stopUnreachable.signal,
    );
    await soon(() => expect(errors).not.toEqual([]));
    stopUnreachable.abort();
    await unreachable;
  });
});
