import type { Database } from '../../indexer/db/database.ts';
import { type Hex, type RawLog, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { sweepOnce } from '../../indexer/proof/sweep.ts';
import { addressOf, encodeEvent, hexOf, logOf } from './event-logs.ts';
import { announce } from './music.ts';
import { EVENT_ABIS, type EventArguments, type EventName } from './oracle/events.ts';
import { CHAIN_ID, MASTER, START, StageScene } from './stage-scene.ts';

/** The artist token of a scene, deployed in block 1. */
export const TOKEN = addressOf(0x70);
/** The pair of a scene, deployed in block 1. */
export const PAIR = addressOf(0x9a);
/** Wallets. */
export const [ALICE, BOB, CAROL] = [addressOf(0x1), addressOf(0x2), addressOf(0x3)];

/** A contradiction among the facts, as `rule from-to`, followed by its status unless the status is `open`. */
export type DoubtLine = string;

/** Returns a log of a contract, in a transaction of its own block. */
export function event(
  address: Hex,
  name: EventName,
  args: EventArguments,
  {
    block,
    index = 0,
    transaction = 0,
  }: { readonly block: number; readonly index?: number; readonly transaction?: number },
): RawLog {
  const transactionHash = hexOf(block * 1_000 + transaction, 64);
  return logOf({
    address,
    blockNumber: block,
    logIndex: index,
    transactionHash,
    ...encodeEvent(EVENT_ABIS[name], args),
  });
}

/** Returns the log of a transfer of a master's token. */
export function moveNft(tokenId: bigint, from: Hex, to: Hex, block: number, index = 0): RawLog {
  return event(MASTER, 'Transfer721', { from, to, tokenId }, { block, index });
}

/** Returns the log of a transfer of the artist token. */
export function move(from: Hex, to: Hex, value: bigint, block: number, index = 0, address = TOKEN): RawLog {
  return event(address, 'Transfer20', { from, to, value }, { block, index });
}

/** Returns the logs of one call of the pair, in the order of `UniswapV2Pair.sol`, from the log index `index` on. */
export function pairCall(
  block: number,
  calls: readonly (readonly [EventName, EventArguments])[],
  index = 0,
): readonly RawLog[] {
  return calls.map(([name, args], at) => event(PAIR, name, args, { block, index: index + at, transaction: index }));
}

/** Returns the logs of the pair's first mint: Alice deposits 4,000 of token 0 and 1,000 of token 1. The liquidity is 2,000. */
export function firstMint(block: number): readonly RawLog[] {
  return pairCall(block, [
    ['Transfer20', { from: ZERO_ADDRESS, to: ZERO_ADDRESS, value: 1_000n }],
    ['Transfer20', { from: ZERO_ADDRESS, to: ALICE, value: 1_000n }],
    ['Sync', { reserve0: 4_000n, reserve1: 1_000n }],
    ['Mint', { sender: ALICE, amount0: 4_000n, amount1: 1_000n }],
  ]);
}

/** A database with a master, an artist token and a pair, all deployed in block 1. Its chain is final up to block 20. */
export class SweepScene {
  readonly database: Database;
  readonly #scene: StageScene;

  private constructor(scene: StageScene) {
    this.#scene = scene;
    this.database = scene.database;
  }

  /** Creates the database. */
  static async open(): Promise<SweepScene> {
    const scene = await StageScene.open();
    const { pool } = scene.database;
    const { rows } = await pool.query('select id from artists');
    const artist = { artistId: rows[0].id, masterId: scene.masterId };
    const at = { chainId: CHAIN_ID, block: 1 };
    const token = await announce(pool, artist, { kind: 'artist_token', address: TOKEN, ...at });
    await announce(pool, artist, { kind: 'pool', address: PAIR, token, ...at });
    return new SweepScene(scene);
  }

  /** Closes and drops the database. */
  drop(): Promise<void> {
    return this.#scene.drop();
  }

  /** Commits a range of history with its logs, for all contracts. */
  async fill(
    logs: readonly RawLog[],
    from = 1,
    to = START,
    addresses: readonly Hex[] = [MASTER, TOKEN, PAIR],
  ): Promise<void> {
    const sorted = logs.toSorted((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex);
    await this.#scene.fill(from, to, sorted, addresses);
  }

  /** Searches for contradictions until there is nothing left to search. Returns the number of steps that read facts. */
  async sweep(factsMax?: number, target = START, database = this.database): Promise<number> {
    const step = {
      chainId: CHAIN_ID,
      target,
      order: 'last first',
      ...(factsMax === undefined ? {} : { factsMax }),
    } as const;
    for (let steps = 0; ; steps++) if ((await sweepOnce(database, step)) !== 'swept') return steps;
  }

  /** Returns the contradictions, lowest blocks first. */
  async doubts(): Promise<readonly DoubtLine[]> {
    const { rows } = await this.query(
      'select rule, from_block, to_block, status from indexer.doubts order by from_block, to_block, rule',
    );
    return rows.map(
      ({ rule, from_block, to_block, status }) =>
        `${rule} ${from_block}-${to_block}${status === 'open' ? '' : ` ${status}`}`,
    );
  }

  /** Marks every open contradiction as read from receipts, as the prover does. */
  async read(factsChanged = 0): Promise<void> {
    await this.query(
      `update indexer.doubts set status = 'read', read_to = to_block, facts_changed = $1 where status = 'open'`,
      [factsChanged],
    );
  }

  /** Runs a query. */
  query(text: string, values: unknown[] = []) {
    return this.database.pool.query(text, values);
  }
}
