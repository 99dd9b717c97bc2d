import type { BlockHeader, Hex, RawLog } from '../../indexer/kernel/chain.ts';
import { hexOf } from '../kit/event-logs.ts';
import { drawTransaction } from './draw-logs.ts';
import type { LogBody } from './events.ts';
import { type Random, randomOf } from './random.ts';
import { drawWorld, type SimWorld } from './world.ts';

/** A transaction. It keeps its hash when a fork includes it in another block. */
export type SimTransaction = {
  readonly hash: Hex;
  readonly gasUsed: bigint;
  readonly gasPrice: bigint | null;
  readonly bodies: readonly LogBody[];
};

/** A log in its block. */
export type SimLog = { readonly raw: RawLog; readonly body: LogBody; readonly transaction: SimTransaction };

/** A block of a drawn chain. */
export type SimBlock = { readonly header: BlockHeader; readonly logs: readonly SimLog[] };

/** One branch of a chain: every block from 0 to its tip. A block's number is its index. */
export type Branch = readonly SimBlock[];

/** A drawn chain with its forks. */
export type SimChain = {
  readonly chainId: number;
  /** In the order in which they become canonical. */
  readonly branches: readonly Branch[];
};

/** A drawn history: its seed, its contracts and its chains. */
export type History = { readonly seed: number; readonly world: SimWorld; readonly chains: readonly SimChain[] };

const TRANSACTIONS_PER_BLOCK_MAX = 3;
/** The log index from which some providers number synthetic logs. */
const SYNTHETIC_LOG_INDEX = 0xffff_ffe2;
const LOG_INDEX_MAX = 0xffff_ffff;
const GENESIS_TIMESTAMP = 1_700_000_000;

/** Draws a history: a world, and the branches of each of its chains. The same seed gives the same history. */
export function drawHistory(seed: number): History {
  const random = randomOf(seed);
  const world = drawWorld(seed, random.fork());
  const chains = world.chainIds.map((chainId) => {
    const writer = new BranchWriter(world, chainId, random.fork());
    return { chainId, branches: writer.branches() };
  });
  return { seed, world, chains };
}

/** Draws the branches of one chain. */
class BranchWriter {
  readonly #world: SimWorld;
  readonly #chainId: number;
  readonly #random: Random;
  readonly #quarantines: boolean;
  #serial = 0;

  constructor(world: SimWorld, chainId: number, random: Random) {
    this.#world = world;
    this.#chainId = chainId;
    this.#random = random;
    this.#quarantines = random.percent(30);
  }

  branches(): Branch[] {
    const random = this.#random;
    const length = random.weighted([
      [5, random.between(6, 10)],
      [2, random.between(11, 20)],
    ]);
    let branch = this.#grown([], length, []);
    const branches = [branch];
    for (
      let forks = random.weighted([
        [2, 0],
        [4, 1],
        [3, 2],
        [2, 3],
      ]);
      forks > 0;
      forks--
    ) {
      branch = this.#forked(branch);
      branches.push(branch);
    }
    return branches;
  }

  /** Extends `stem` to a length with drawn blocks, which include the transactions in `carried` by block number. */
  #grown(stem: Branch, length: number, carried: readonly (readonly SimTransaction[])[]): Branch {
    const blocks = [...stem];
    while (blocks.length < length) {
      const number = blocks.length;
      const fresh = Array.from({ length: this.#random.below(TRANSACTIONS_PER_BLOCK_MAX + 1) }, () =>
        this.#transaction(number),
      );
      const transactions = [...(carried[number] ?? []), ...fresh];
      blocks.push(this.#block(blocks.at(-1)?.header, number, this.#random.shuffled(transactions)));
    }
    return blocks;
  }

  /** Replaces the last blocks of a branch. Each of their transactions vanishes, stays at another index, or moves to the next block. */
  #forked(branch: Branch): Branch {
    const random = this.#random;
    const depth = random.weighted([
      [5, random.between(1, 3)],
      [3, random.between(1, branch.length - 2)],
    ]);
    const at = Math.max(1, branch.length - depth);
    const length = Math.max(at + 1, branch.length + random.between(-2, 3));
    const carried: SimTransaction[][] = [];
    const carry = (number: number, transaction: SimTransaction) => {
      const into = carried[number] ?? [];
      into.push(transaction);
      carried[number] = into;
    };
    for (const { header, logs } of branch.slice(at)) {
      for (const transaction of new Set(logs.map((log) => log.transaction))) {
        const fate = random.weighted([
          [5, 'stays'],
          [2, 'vanishes'],
          [2, 'moves'],
        ] as const);
        if (fate === 'stays') carry(header.number, transaction);
        if (fate === 'moves') carry(header.number + 1, transaction);
      }
    }
    return this.#grown(branch.slice(0, at), length, carried);
  }

  #transaction(blockNumber: number): SimTransaction {
    const random = this.#random;
    const contracts = this.#world.contracts.filter(
      ({ chainId, deployedAt }) => chainId === this.#chainId && deployedAt <= blockNumber,
    );
    return {
      hash: this.#nextHash(0x7a),
      gasUsed: BigInt(random.between(21_000, 500_000)),
      gasPrice: random.percent(80) ? BigInt(random.below(1_000)) * 10n ** 9n : null,
      bodies: drawTransaction({ random, contracts, quarantines: this.#quarantines }),
    };
  }

  #block(parent: BlockHeader | undefined, number: number, transactions: readonly SimTransaction[]): SimBlock {
    const hash = this.#nextHash(0xb1);
    const total = transactions.reduce((sum, { bodies }) => sum + bodies.length, 0);
    let logIndex = this.#firstLogIndex(total);
    const logs: SimLog[] = [];
    for (const transaction of transactions) {
      for (const body of transaction.bodies) {
        const { address, topics, data } = body;
        const place = { blockNumber: number, blockHash: hash, transactionHash: transaction.hash, logIndex };
        logs.push({ raw: { address, topics, data, ...place }, body, transaction });
        logIndex++;
      }
    }
    const timestamp = GENESIS_TIMESTAMP + number * 12 + this.#random.below(5);
    const parentHash = parent?.hash ?? hexOf(0, 64);
    return { header: { number, hash, parentHash, timestamp, logsBloom: '0x' }, logs };
  }

  #firstLogIndex(total: number): number {
    if (this.#random.percent(10)) return Math.min(SYNTHETIC_LOG_INDEX, LOG_INDEX_MAX - total);
    return this.#random.percent(30) ? this.#random.below(5) : 0;
  }

  #nextHash(mark: number): Hex {
    this.#serial++;
    return hexOf((BigInt(mark) << 128n) + (BigInt(this.#chainId) << 32n) + BigInt(this.#serial), 64);
  }
}
