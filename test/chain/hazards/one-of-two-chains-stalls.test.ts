import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow, serve } from '../../kit/scene.ts';
import { expectSettled, liveChainOf } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

test('a chain whose node stalls does not hold up another chain', async () => {
  const stalling = await serve(busyChain(24, 8, 10));
  const { chain, db, settled } = await follow({ otherChains: [stalling] });
  const other = liveChainOf(stalling.chain);
  await settled();
  await expectSettled(db, other);
  const blocks = busyBlocks(21);
  stalling.misbehave({ do: { kind: 'hang' } });
  const asked = stalling.arrivals.length;
  await until('a request that hangs', () => stalling.arrivals.length > asked);
  const heads = new Set<unknown>();
  for (let turn = 0; turn < 6; turn++) {
    stalling.chain.append(...blocks(2));
    if (turn === 3) chain.reorg(2, blocks(4));
    else chain.append(...blocks(2));
    await settled();
    heads.add((await db.query('select head_hash from indexer.chains where chain_id = 10')).rows[0]?.head_hash);
  }
  expect(heads.size).toBe(1);
  stalling.heal();
  await expectSettled(db, other);
});
