import type { Hex } from '../../indexer/kernel/chain.ts';
import { IndexerError } from '../../indexer/kernel/errors.ts';
import type { Anvil, Transaction } from './anvil-node.ts';
import type { Platform } from './deploy.ts';
import { type Random, seededRandom } from './random.ts';
import { ACTIONS, type Action, type Scene } from './traffic-actions.ts';

/** Somebody's transaction, handed in but perhaps not mined yet; it may revert. */
type Step = { readonly action: string; readonly hash: Hex };

/** A seeded stream of what people do on a platform. */
export type Traffic = {
  /** One action; the same seed over the same chain draws the same one. Does not wait for it to be mined. */
  step(): Promise<Step>;
  /** `count` actions, a block after every few; for chains that are mined by hand. */
  run(count: number): Promise<void>;
  /**
   * Another branch wins: of the replaced blocks' transactions some come again in other blocks, some never, and new ones come
   * in. Gives how many blocks were replaced, which is fewer where the platform would be undone.
   */
  reorg(depth: number): Promise<number>;
};

const GAS = 3_000_000n;
const MAX_DRAWS = 50;
const MAX_STEPS_PER_BLOCK = 6;
const TOTAL_WEIGHT = ACTIONS.reduce((sum, { weight }) => sum + weight, 0);

/** Traffic on a platform from now on; `seed` decides what happens. */
export async function createTraffic(anvil: Anvil, platform: Platform, seed: number): Promise<Traffic> {
  const random = seededRandom(seed);
  const scene: Scene = { anvil, platform, random };
  const floor = Number(await anvil.client.getBlockNumber());
  const step = async (): Promise<Step> => {
    const { action, transaction } = await draw(scene);
    return { action, hash: await anvil.send(transaction) };
  };
  return {
    step,
    async run(count) {
      for (let done = 0; done < count; ) {
        const inBlock = Math.min(1 + random.below(MAX_STEPS_PER_BLOCK), count - done);
        for (let index = 0; index < inBlock; index += 1) await step();
        await anvil.mine();
        done += inBlock;
      }
    },
    async reorg(depth) {
      const head = Number(await anvil.client.getBlockNumber());
      const blocks = Math.min(depth, head - floor);
      if (blocks > 0) await anvil.reorg(blocks, await otherBranch(scene, head - blocks + 1, head));
      return Math.max(blocks, 0);
    },
  };
}

async function draw(scene: Scene): Promise<{ action: string; transaction: Transaction }> {
  for (let attempt = 0; attempt < MAX_DRAWS; attempt += 1) {
    const action = weighted(scene.random);
    const transaction = await action.draw(scene);
    // With the gas given nothing is estimated, so that what reverts is mined as it would be elsewhere.
    if (transaction !== undefined) return { action: action.name, transaction: { gas: GAS, ...transaction } };
  }
  throw new IndexerError('nobody found anything to do');
}

function weighted(random: Random): Action {
  let left = random.below(TOTAL_WEIGHT);
  for (const action of ACTIONS) {
    left -= action.weight;
    if (left < 0) return action;
  }
  throw new IndexerError('the weights of the actions do not add up');
}

type Replacement = { transaction: Transaction; block: number };

async function otherBranch(scene: Scene, from: number, to: number): Promise<Replacement[]> {
  const { random, anvil } = scene;
  const blocks = to - from + 1;
  const replacements: Replacement[] = [];
  for (let number = from; number <= to; number += 1) {
    const block = await anvil.client.getBlock({ blockNumber: BigInt(number), includeTransactions: true });
    for (const { from: sender, to: target, input, value } of block.transactions) {
      if (random.onceIn(3)) continue;
      const transaction: Transaction = { from: sender, to: target ?? undefined, data: input, value, gas: GAS };
      replacements.push({ transaction, block: random.below(blocks) });
    }
  }
  // A new one in the first block, so that the branches differ from there on even where all blocks were empty.
  for (let extra = random.below(blocks + 1); extra >= 0; extra -= 1) {
    const { transaction } = await draw(scene);
    replacements.push({ transaction, block: extra === 0 ? 0 : random.below(blocks) });
  }
  // Nonces are given in this order.
  return replacements.sort((a, b) => a.block - b.block);
}
