import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { sweepOnce } from '../../indexer/proof/sweep.ts';
import { Chain } from '../kit/chain.ts';
import { Daemon } from '../kit/daemon.ts';
import { announce, erc20Mint, erc20Transfer, TOKEN, WALLETS } from '../kit/music.ts';
import { announcedDatabase, deployOnAnvil, follow } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

const STEPS = 120;
/** How many facts of each kind are withheld, one after the other. */
const WITHHELD_MAX = 6;

/** Queries for facts of the real contracts up to the block $1. If one of these facts is missing, it leaves a contradiction. */
const TELLING_FACTS = {
  pool_events: `select id, block_number, pool_address as address from pool_events where block_number <= $1 order by position limit $2`,
  'indexer.contract_events': `
    select id, block_number, address from indexer.contract_events sync
    where event = 'Sync' and block_number <= $1 and exists (
      select from pool_events fact where fact.tx_hash = sync.tx_hash and fact.position = sync.position + 1)
    order by position limit $2`,
  nft_transfers: `
    select id, block_number, contract_address as address from nft_transfers fact where exists (
      select from nft_transfers later where later.contract_address = fact.contract_address and later.token_id = fact.token_id
        and later.position > fact.position and later.block_number <= $1)
    order by position limit $2`,
} as const;

test('facts of real contracts have no contradiction, and have one in the right block when a log is withheld', async () => {
  const { anvil, platform, traffic, settled } = await deployOnAnvil({ slotsInAnEpoch: 1 });
  await traffic.run(STEPS);
  const { url, db } = await announcedDatabase(platform);
  const daemon = await Daemon.start({ DATABASE_URL: url, [`RPC_URL_${anvil.chainId}`]: anvil.url });
  await settled(db);
  await until('the facts to be swept, and the supplies to be compared', async () => {
    const { rows } = await db.query(
      `select kind, rule, count(*)::int, bool_and(swept_to >= finalized_number) as swept, bool_and(asks_at is not null) as asked
       from indexer.sweeps join indexer.chains using (chain_id) where rule <> 'supply' or kind <> 'master' group by kind, rule
       order by kind, rule`,
    );
    expect(rows).toEqual([
      { kind: 'artist_token', rule: 'balance', count: 1, swept: true, asked: false },
      { kind: 'artist_token', rule: 'supply', count: 1, swept: true, asked: true },
      { kind: 'master', rule: 'owner', count: 3, swept: true, asked: false },
      { kind: 'pool', rule: 'balance', count: 1, swept: true, asked: false },
      { kind: 'pool', rule: 'reserves', count: 1, swept: true, asked: false },
      { kind: 'pool', rule: 'supply', count: 1, swept: true, asked: true },
    ]);
    return true;
  });
  expect((await db.query('select * from indexer.doubts')).rows).toEqual([]);
  await daemon.kill();

  const database = openDatabase({ url });
  onTestFinished(() => database.close());
  const target = Number((await db.query('select finalized_number from indexer.chains')).rows[0].finalized_number);
  for (const [table, facts] of Object.entries(TELLING_FACTS)) {
    const { rows } = await db.query(facts, [target, WITHHELD_MAX]);
    expect(rows.length, table).toBe(WITHHELD_MAX);
    for (const { id, block_number, address } of rows) {
      await db.query(`update ${table} set chain_id = '1' where id = $1`, [id]);
      await db.query('update indexer.sweeps set swept_to = null');
      while ((await sweepOnce(database, { chainId: anvil.chainId, target, order: 'last first' })) === 'swept');
      const doubts = await db.query(
        `select from indexer.doubts where address = $1 and $2::bigint between from_block and to_block`,
        [address, block_number],
      );
      expect(doubts.rowCount, `${table} ${id}`).toBeGreaterThan(0);
      await db.query(`update ${table} set chain_id = $2 where id = $1`, [id, String(anvil.chainId)]);
    }
  }
});

const [alice, bob, carol] = WALLETS as unknown as [Hex, Hex, Hex];

/** Starts a daemon on a chain with three transfers of a token in block 10. The node's logs lack the second transfer. */
async function followWithholding() {
  const chain = new Chain();
  chain.mine(9);
  chain.append({ logs: [erc20Mint(alice, 100n), erc20Transfer(alice, bob, 60n), erc20Transfer(bob, carol, 50n)] });
  chain.mine(30);
  chain.finalized = 30;
  const scene = await follow({ chain, announce: false });
  scene.server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'result', result: withhold } });
  return {
    ...scene,
    announceToken: () =>
      announce(scene.db, scene.artist, { kind: 'artist_token', chainId: chain.chainId, address: TOKEN, block: 1 }),
  };
}

function withhold(logs: unknown) {
  return (logs as { blockNumber: string; logIndex: string }[]).filter(
    ({ blockNumber, logIndex }) => !(Number(blockNumber) === 10 && Number(logIndex) === 1),
  );
}

test('a node that withholds one log of three in a block of history leaves a contradiction that status shows', async () => {
  const { server, announceToken, run } = await followWithholding();
  const ofReceipt = (receipt: unknown) =>
    receipt && { ...receipt, logs: withhold((receipt as { logs: unknown }).logs) };
  const ofReceipts = (receipts: unknown) => receipts && (receipts as unknown[]).map(ofReceipt);
  server.misbehave({ methods: ['eth_getBlockReceipts'], do: { kind: 'result', result: ofReceipts } });
  server.misbehave({ methods: ['eth_getTransactionReceipt'], do: { kind: 'result', result: ofReceipt } });
  await announceToken();
  const detail = `${bob} spends 50 more than it has`;
  await until('the contradiction to be found', async () => {
    const status = run('status', '--json');
    await status.exited;
    const [shown] = JSON.parse(status.stdout).chains[0].contradictions;
    expect(shown).toMatchObject({ kind: 'artist_token', address: TOKEN, rule: 'balance', from: 1, to: 10, detail });
    return true;
  });
  const status = run('status');
  await status.exited;
  expect(status.stdout).toContain(`artist-token ${TOKEN}, balance in 1-10: ${detail}`);
});

test('a contradiction is read from receipts and repaired, and goes', async () => {
  const { db, announceToken } = await followWithholding();
  await announceToken();
  await until('the log to be found', async () => {
    const { rows } = await db.query('select from_wallet from token_transfers order by position');
    expect(rows.map(({ from_wallet }) => from_wallet)).toEqual([`0x${'0'.repeat(40)}`, alice, bob]);
    const swept = await db.query(`select from indexer.sweeps where rule = 'balance' and swept_to >= 30`);
    const doubts = await db.query('select from indexer.doubts');
    return swept.rowCount === 1 && doubts.rowCount === 0;
  });
  const { rows } = await db.query('select cause, from_block, to_block, facts_added from indexer.repairs');
  expect(rows).toEqual([
    { cause: expect.stringMatching('balance|proof'), from_block: '10', to_block: '10', facts_added: '1' },
  ]);
});
