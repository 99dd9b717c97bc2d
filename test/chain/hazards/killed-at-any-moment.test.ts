import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Daemon } from '../../kit/daemon.ts';
import type { Queryable } from '../../kit/queryable.ts';
import { seededRandom } from '../../kit/random.ts';
import { announcedDatabase, deployOnAnvil } from '../../kit/scene.ts';
import { Reader } from '../../kit/snapshots.ts';
import type { Traffic } from '../../kit/traffic.ts';
import { until } from '../../kit/until.ts';

const KILLS = 5;
const STEPS_AT_ONCE = 4;
const BLOCKS_INTERVAL_MS = 100;
const LATEST_KILL_MS = 500;

const FACTS = ['nft_transfers', 'token_transfers', 'pool_events', 'dividend_events', 'indexer.contract_events'];

type Snapshot = { readonly head: number; readonly facts: number; readonly beyond: number; readonly torn: number };

/** Reads head, number of facts, facts above the head, and balances that differ from the sum of their facts, in one snapshot. */
async function readSnapshot(db: Queryable): Promise<Snapshot> {
  const union = FACTS.map((table) => `select block_number from ${table}`).join(' union all ');
  const { rows } = await db.query(`
    with facts as (${union}),
    sums as (
      select artist_token_id, wallet, sum(delta) as balance from (
        select artist_token_id, to_wallet as wallet, value as delta from token_transfers
        union all select artist_token_id, from_wallet, -value from token_transfers
      ) deltas where wallet <> '0x0000000000000000000000000000000000000000' group by 1, 2
    )
    select head_number::int as head, (select count(*)::int from facts) as facts,
      (select count(*)::int from facts where block_number > head_number) as beyond,
      (select count(*)::int from token_holders held full join sums
         on sums.artist_token_id = held.artist_token_id and sums.wallet = held.wallet_address
         where held.balance is distinct from sums.balance) as torn
    from indexer.chains`);
  return rows[0] as unknown as Snapshot;
}

async function keepMining(traffic: Traffic, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await traffic.run(STEPS_AT_ONCE);
    await wait(BLOCKS_INTERVAL_MS);
  }
}

test('a daemon killed at random moments resumes after a restart, and readers only ever see whole commits', async () => {
  const { anvil, platform, traffic, settled } = await deployOnAnvil();
  const { url, db } = await announcedDatabase(platform);
  const env = { DATABASE_URL: url, [`RPC_URL_${anvil.chainId}`]: anvil.url };
  let daemon = await Daemon.start(env);
  await settled(db);
  const reader = await Reader.start(url, readSnapshot);
  const random = seededRandom(15);
  const stopTraffic = new AbortController();
  onTestFinished(() => stopTraffic.abort());
  const working = keepMining(traffic, stopTraffic.signal);
  working.catch(() => undefined); // Awaited below, unless the test fails before.
  for (let kill = 0; kill < KILLS; kill++) {
    await until('a commit', () => daemon.logLines('blocks committed').length > 0);
    await wait(random.below(LATEST_KILL_MS));
    await daemon.kill();
    daemon = await Daemon.start(env);
  }
  stopTraffic.abort();
  await working;
  await settled(db);
  const seen = await reader.stop();
  const union = FACTS.map((table) => `select block_number from ${table}`).join(' union all ');
  const { rows } = await db.query(
    `select block_number::int as block, count(*)::int as count from (${union}) f group by 1`,
  );
  const upTo = (head: number) => rows.reduce((sum, { block, count }) => sum + (block <= head ? count : 0), 0);
  for (const { head, facts, beyond, torn } of seen) {
    expect({ head, facts, beyond, torn }).toEqual({ head, facts: upTo(head), beyond: 0, torn: 0 });
  }
  expect(new Set(seen.map(({ head }) => head)).size).toBeGreaterThan(KILLS);
});
