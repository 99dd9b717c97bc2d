import { hash } from 'node:crypto';
import pg from 'pg';
import { copyOver } from '../indexer/db/copy.ts';
import type { Contract, Hex } from '../indexer/kernel/chain.ts';
import { type TokenTransfer, tokenTransfers } from '../indexer/protocols/erc20/token-transfers.ts';
import type { OracleContract } from '../test/kit/oracle/facts.ts';
import { median } from './quantile.ts';
import { Random } from './random.ts';
import { startServer } from './server.ts';
import { CHAIN_ID, EVENTS_PER_BLOCK, type World } from './world.ts';

/** The order of the ids of facts: by block and log, as the program derives them, or random, as a hash gives them. */
export type IdOrder = 'ordered' | 'hashed';

/** The time that `token_transfers` took to grow, with ids of one order. */
export type IdsResult = {
  readonly order: IdOrder;
  /** Seconds that each `WINDOW_ROWS` rows took. */
  readonly windowSeconds: readonly number[];
};

/** Rows that are timed together. */
export const WINDOW_ROWS = 250_000;
/** Rows of one `COPY`: as many as the program commits at once, and a multiple of the rows of a block. */
const COPY_ROWS = 50_000;
/** The size of PostgreSQL's cache. The table's indexes exceed it after a few million rows. */
const SHARED_BUFFERS = '256MB';
/** A figure is the median of this many windows, because a checkpoint slows single ones down. */
const WINDOWS_PER_FIGURE = 4;
const ID_CHARS = 36;

/**
 * Fills the real `token_transfers` table, with all its indexes, by the program's own rows and `COPY`: first with the program's ids,
 * then with the same rows under hashed ids. Only `COPY` is timed, not the making of rows.
 */
export async function measureIds(world: World, rows: number, note: (text: string) => void): Promise<IdsResult[]> {
  const results: IdsResult[] = [];
  for (const order of ['ordered', 'hashed'] as const) {
    const windowSeconds = await fillTable(world, order, rows, (seconds, written) =>
      note(`${order} ids, ${written} rows: ${seconds.toFixed(2)} s for the last ${WINDOW_ROWS}`),
    );
    results.push({ order, windowSeconds });
  }
  return results;
}

/** Returns the seconds per `WINDOW_ROWS` rows when the table has reached a number of rows. */
export function secondsAt({ windowSeconds }: IdsResult, rows: number): number {
  const end = Math.max(rows / WINDOW_ROWS, WINDOWS_PER_FIGURE);
  return median(windowSeconds.slice(end - WINDOWS_PER_FIGURE, end));
}

async function fillTable(
  world: World,
  order: IdOrder,
  rows: number,
  onWindow: (seconds: number, written: number) => void,
): Promise<number[]> {
  const server = await startServer(world, { shared_buffers: SHARED_BUFFERS });
  try {
    const pool = new pg.Pool({ connectionString: await server.createDatabase('ids'), max: 1 });
    const client = await pool.connect();
    const copy = copyOver(client);
    const contracts = server.contracts.filter(({ kind }) => kind === 'artist_token').map(contractOf);
    const windows: number[] = [];
    try {
      await server.settle();
      for (let written = 0; written < rows; ) {
        let ms = 0;
        for (const end = written + WINDOW_ROWS; written < end; written += COPY_ROWS) {
          const text = copyText(world, contracts, order, written);
          const startedAt = performance.now();
          await copy('public.token_transfers', Object.keys(tokenTransfers.columns), [text]);
          ms += performance.now() - startedAt;
        }
        windows.push(ms / 1_000);
        onWindow(ms / 1_000, written);
      }
    } finally {
      client.release();
      await pool.end();
    }
    return windows;
  } finally {
    await server.stop();
  }
}

function contractOf({ address, kind, platformId }: OracleContract): Contract {
  if (platformId === null) throw new Error(`the artist token ${address} has no row`);
  return { chainId: CHAIN_ID, address, kind, abiVersion: '1.0', platformId, masterId: null, artistTokenId: null };
}

/** Returns the lines of `COPY_ROWS` transfers. `first` is the number of transfers before them. */
function copyText(world: World, contracts: readonly Contract[], order: IdOrder, first: number): Buffer {
  const random = new Random(world.options.seed, 8, first);
  const firstBlock = 1 + first / EVENTS_PER_BLOCK;
  const facts: TokenTransfer[] = [];
  for (let block = firstBlock; facts.length < COPY_ROWS; block++) {
    facts.push(...transfersOf(world, contracts, random, block));
  }
  const lines: string[] = [];
  for (const line of tokenTransfers.lines(facts)) lines.push(order === 'ordered' ? line : withHashedId(line), '\n');
  return Buffer.from(lines.join(''), 'latin1');
}

function transfersOf(
  world: World,
  contracts: readonly Contract[],
  random: Random,
  blockNumber: number,
): TokenTransfer[] {
  const timestamp = world.timestamp(blockNumber);
  const blockHash = world.blockHash(blockNumber);
  const wallet = () => world.wallets[random.below(world.wallets.length)] as Hex;
  return Array.from({ length: EVENTS_PER_BLOCK }, (_, logIndex) => {
    const contract = contracts[random.below(contracts.length)] as Contract;
    const transactionHash: Hex = `0x${random.hex(64)}`;
    const log = {
      address: contract.address,
      topics: [],
      data: '0x',
      blockNumber,
      blockHash,
      transactionHash,
      logIndex,
    } as const;
    return { contract, timestamp, log, from: wallet(), to: wallet(), value: `${random.uint32()}000000000` };
  });
}

/** Replaces the id of a line, which is its first column, with its MD5 as a UUID. */
function withHashedId(line: string): string {
  const digits = hash('md5', line.slice(0, ID_CHARS), 'hex');
  const id = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return `${id}${line.slice(ID_CHARS)}`;
}
