import { sleep } from '../indexer/kernel/sleep.ts';
import { seededRandom } from '../test/kit/random.ts';
import type { World } from './world.ts';

/** An event on the chain that the demo shows. */
export type News =
  | { readonly of: 'block'; readonly block: number; readonly actions: readonly string[] }
  /** The blocks at these heights were replaced. */
  | { readonly of: 'reorg'; readonly from: number; readonly to: number };

const BLOCK_INTERVAL_MS = 350;
const MAX_ACTIONS_PER_BLOCK = 6;
/** Number of blocks before the first reorg, so that even a short demo has one. */
const FIRST_REORG_BLOCKS = 4;
const REORG_EVERY_BLOCKS = { least: 8, spread: 14 };
/** One in this many reorgs is deep. */
const DEEP_ONCE_IN = 4;

/** Sends transactions and mines blocks, with reorgs in between, until the signal aborts. */
export async function generateTraffic(
  { anvil, traffic }: Pick<World, 'anvil' | 'traffic'>,
  seed: number,
  onNews: (news: News) => void,
  signal: AbortSignal,
): Promise<void> {
  const random = seededRandom(~seed);
  let untilReorg = FIRST_REORG_BLOCKS;
  while (!signal.aborted) {
    const started = performance.now();
    const actions: string[] = [];
    for (let left = 1 + random.below(MAX_ACTIONS_PER_BLOCK); left > 0; left -= 1) {
      actions.push((await traffic.step()).action);
    }
    await anvil.mine();
    const block = Number(await anvil.client.getBlockNumber());
    onNews({ of: 'block', block, actions });
    untilReorg -= 1;
    if (untilReorg <= 0) {
      const depth = random.onceIn(DEEP_ONCE_IN) ? 4 + random.below(12) : 1 + random.below(3);
      const replaced = await traffic.reorg(depth);
      if (replaced > 0) onNews({ of: 'reorg', from: block - replaced + 1, to: block });
      untilReorg = REORG_EVERY_BLOCKS.least + random.below(REORG_EVERY_BLOCKS.spread);
    }
    await sleep(Math.max(0, BLOCK_INTERVAL_MS - (performance.now() - started)), signal);
  }
}
