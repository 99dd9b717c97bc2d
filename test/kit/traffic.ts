import type { Hex } from '../../indexer/kernel/chain.ts';
import { IndexerError } from '../../indexer/kernel/errors.ts';
import type { Anvil, Transaction } from './anvil-node.ts';
import type { Platform } from './deploy.ts';
import { seededRandom } from './random.ts';
import { ACTIONS, type Action, type TrafficContext } from './traffic-actions.ts';

/** A submitted transaction. It may not be mined yet, and may revert. */
type Step = { readonly action: string; readonly hash: Hex };

/** A reproducible stream of transactions by the users of a platform. */
export type Traffic = {
  /** Submits one action, without waiting until it is mined. The same seed over the same chain draws the same actions. */
  step(): Promise<Step>;
  /** Submits `count` actions and mines a block after every few, for chains that are mined on request. */
  run(count: number): Promise<void>;
  /**
   * Replaces the newest blocks by another branch. Some of their transactions are included in other blocks, some are dropped, and
   * new ones are added. Returns the number of replaced blocks, which is less than `depth` if a deeper reorg would undo the deployment.
   */
  reorg(depth: number): Promise<number>;
};

type Context = TrafficContext & { readonly actions: readonly Action[] };

const GAS = 3_000_000n;
const MAX_DRAWS = 50;
const MAX_STEPS_PER_BLOCK = 6;

/** Creates traffic of some actions on a platform. */
export async function createTraffic(
  anvil: Anvil,
  platform: Platform,
  seed: number,
  actions: readonly Action[] = ACTIONS,
): Promise<Traffic> {
  const random = seededRandom(seed);
  const context: Context = { anvil, platform, random, actions };
  const floor = Number(await anvil.client.getBlockNumber());
  const step = async (): Promise<Step> => {
    const { action, transaction } = await draw(context);
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
      if (blocks > 0) await anvil.reorg(blocks, await otherBranch(context, head - blocks + 1, head));
      return Math.max(blocks, 0);
    },
  };
}

async function draw(context: Context): Promise<{ action: string; transaction: Transaction }> {
  for (let attempt = 0; attempt < MAX_DRAWS; attempt += 1) {
    const action = weighted(context);
    const transaction = await action.draw(context);
    // With a gas limit the node does not estimate gas, so transactions that revert are mined too.
    if (transaction !== undefined) return { action: action.name, transaction: { gas: GAS, ...transaction } };
  }
  throw new IndexerError('no action was possible');
}

function weighted({ random, actions }: Context): Action {
  let left = random.below(actions.reduce((sum, { weight }) => sum + weight, 0));
  for (const action of actions) {
    left -= action.weight;
    if (left < 0) return action;
  }
  throw new IndexerError('the weights of the actions do not add up');
}

type Replacement = { transaction: Transaction; block: number };

/** Draws the transactions of a branch that replaces the blocks `from` to `to`. */
async function otherBranch(context: Context, from: number, to: number): Promise<Replacement[]> {
  const { random, anvil } = context;
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
  // A new transaction in the first block makes the branches differ, even if all blocks were empty.
  for (let extra = random.below(blocks + 1); extra >= 0; extra -= 1) {
    const { transaction } = await draw(context);
    replacements.push({ transaction, block: extra === 0 ? 0 : random.below(blocks) });
  }
  // Anvil assigns nonces in this order.
  return replacements.sort((a, b) => a.block - b.block);
}
