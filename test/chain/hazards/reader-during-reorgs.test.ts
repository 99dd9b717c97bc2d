import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { busyChain, follow } from '../../kit/follow.ts';
import { busyBlocks } from '../../kit/music.ts';
import { heldStates, pictureOf, Reader } from '../../kit/picture.ts';
import { seededRandom } from '../../kit/random.ts';

const TURNS = 20;
const TURN_MS = 250;

test.each([
  { by: 'polling', subscribe: false },
  { by: 'a subscription', subscribe: true },
])(
  'during reorgs found by $by, a reader only sees states that the chain had, never a mixture',
  async ({ subscribe }) => {
    const { chain, url, settled } = await follow({ chain: busyChain(40), subscribe });
    const held = heldStates(chain);
    await settled();
    const reader = await Reader.start(url, (db) => pictureOf(db, chain.chainId));
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
