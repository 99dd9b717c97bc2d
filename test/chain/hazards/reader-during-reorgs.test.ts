import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { seededRandom } from '../../kit/random.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { expectedSnapshots, Reader, readSnapshot } from '../../kit/snapshots.ts';

const TURNS = 20;
const TURN_MS = 250;

test.each([
  { by: 'polling', subscribe: false },
  { by: 'a subscription', subscribe: true },
])(
  'during reorgs found by $by, a reader only sees states that the chain had, never a mixture',
  async ({ subscribe }) => {
    const { chain, url, settled } = await follow({ chain: busyChain(40), subscribe });
    const held = expectedSnapshots(chain);
    await settled();
    const reader = await Reader.start(url, (db) => readSnapshot(db, chain.chainId));
    const random = seededRandom(13);
    const blocks = busyBlocks(13);
    for (let turn = 0; turn < TURNS; turn++) {
      if (random.onceIn(3)) chain.append(...blocks(1 + random.below(3)));
      else {
        const depth = 1 + random.below(8);
        chain.reorg(depth, blocks(depth + random.below(3)));
      }
      // Every other reorg arrives while the last one is still being unwound. The others wait until the database has caught up.
      if (turn % 2 === 0) await wait(TURN_MS);
      else await settled();
    }
    await settled();
    const seen = await reader.stop();
    for (const picture of seen) expect(picture).toEqual(held.get(picture.head));
    expect(new Set(seen.map(({ head }) => head)).size).toBeGreaterThan(TURNS / 2);
  },
);
