import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { atHead } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';
import { withholdBlock } from '../../kit/withhold-block.ts';

test('a block at the head that no answer explains is set aside: the chain goes on, and the block is filled later', async () => {
  const { chain, server, db, daemon, settled } = await follow({ chain: busyChain(30, 20) });
  await settled();
  chain.append(...busyBlocks(3)(3));
  const bad = chain.append(...busyBlocks(4)(1));
  const heal = withholdBlock(server, bad.number);
  chain.append(...busyBlocks(5)(6));
  await until('the head to pass the block', () => atHead(db, chain.chainId, chain.head.hash));
  expect(
    daemon
      .logLines('block skipped, because no endpoint gives its logs: the backfill will try it again')
      .map(({ block }) => block),
  ).toEqual([bad.number]);
  const { rows } = await db.query(
    'select distinct block_number::int from nft_transfers where block_number > $1 order by 1',
    [bad.number - 4],
  );
  const stored = rows.map(({ block_number }) => block_number);
  expect(stored).toContain(bad.number + 1);
  expect(stored).not.toContain(bad.number);
  const notes = await db.query('select distinct coverage_note from indexer.contracts where covered is not null');
  expect(JSON.stringify(notes.rows)).toContain(`block ${bad.number} could not be read`);
  heal();
  await settled();
});
