import { expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { Chain } from '../kit/chain.ts';
import { Daemon } from '../kit/daemon.ts';
import { announce, MASTER, nftTransfer, WALLETS } from '../kit/music.ts';
import { createScene } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

const [ALICE, BOB] = WALLETS as unknown as [Hex, Hex];
const DAY = 86_400;
const HOUR = 3_600;
const MIDNIGHT = 1_700_006_400;

/**
 * Creates a chain with a block every eight hours. Blocks 1 to 3 are those of the first day. Token 1 is sold on the second day, and token 2
 * is burnt on the third.
 */
function chainOfDays(): Chain {
  const chain = new Chain({ genesisTimestamp: MIDNIGHT - 4 * HOUR, blockTimeSeconds: 8 * HOUR });
  chain.append(
    { logs: [nftTransfer(ZERO_ADDRESS, ALICE, 1n), nftTransfer(ZERO_ADDRESS, ALICE, 2n)] },
    {},
    {},
    {},
    { logs: [nftTransfer(ALICE, BOB, 1n)] },
    {},
    {},
    { logs: [nftTransfer(ALICE, ZERO_ADDRESS, 2n)] },
    {},
    {},
  );
  // Of the midnights after block 1, the first two are before block 7 and the third is not, so that two snapshots are final.
  chain.finalized = 7;
  return chain;
}

test('each midnight below the finalized block has a snapshot, missed ones too, until an operator turns them off', async () => {
  const chain = chainOfDays();
  const scene = await createScene({ chain, settings: {}, announce: false });
  await announce(scene.db, scene.artist, { kind: 'master', chainId: chain.chainId, address: MASTER, block: 1 });
  await scene.db.query('update indexer.contracts set created_at = to_timestamp($1)', [MIDNIGHT - DAY]);
  const daemon = await Daemon.start(scene.env, {});
  const snapshots = async () => {
    const { rows } = await scene.db.query(
      `select snapshot_block_number::int as block, string_agg(token_id || ' of ' || owner_wallet, ', ' order by token_id) as tokens
       from nft_ownership_snapshots where snapshot_reason = 'daily' group by 1 order by 1`,
    );
    return rows;
  };
  const days = [
    { block: 3, tokens: `1 of ${ALICE}, 2 of ${ALICE}` },
    { block: 6, tokens: `1 of ${BOB}, 2 of ${ALICE}` },
    { block: 9, tokens: `1 of ${BOB}` },
  ];
  await until('two midnights', async () => (await snapshots()).length === 2);
  expect(await snapshots()).toEqual(days.slice(0, 2));

  await scene.db.query('update master_contracts set current_supply = 5001');
  chain.finalized = 10;
  chain.append({});
  await until(
    'the question for a large master',
    () => daemon.logLines('no daily snapshots: the contract has more than 5000 tokens').length > 0,
  );
  expect(await snapshots()).toHaveLength(2);
  await scene.db.query('update master_contracts set current_supply = 1');
  await until('the third midnight', async () => (await snapshots()).length === 3);
  expect(await snapshots()).toEqual(days);

  const off = scene.run('contracts', 'snapshots', MASTER, '--daily', 'off');
  expect(await off.exited).toBe(0);
  expect(off.stdout).toBe(`snapshots of master ${MASTER} on chain ${chain.chainId}: daily off\n`);
  expect(await snapshots()).toEqual([]);
});
