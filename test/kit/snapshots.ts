import pg from 'pg';
import { onTestFinished } from 'vitest';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import type { Chain, ChainBlock } from './chain.ts';
import { MASTER, TOKEN } from './music.ts';
import type { Queryable } from './queryable.ts';

/** The head of a chain, and facts and state as of that head, read in one transaction. */
export type Snapshot = {
  readonly head: Hex;
  readonly number: number;
  readonly transfers: string;
  readonly balances: string;
  readonly supply: string;
  readonly owners: string;
};

const SNAPSHOT_QUERY = `
  select head_hash as head, head_number::int as number,
    (select concat(count(*), ' to ', max(block_number)) from token_transfers where contract_address = '${TOKEN}') as transfers,
    (select coalesce(string_agg(wallet_address || '=' || balance, ' ' order by wallet_address), '')
       from token_holders join artist_tokens token on token.id = artist_token_id
       where token.contract_address = '${TOKEN}' and balance <> 0) as balances,
    (select total_supply::text from artist_tokens where contract_address = '${TOKEN}') as supply,
    (select coalesce(string_agg(token_id || '=' || current_owner_wallet, ' ' order by token_id), '')
       from master_nfts where contract_address = '${MASTER}') as owners
  from indexer.chains where chain_id = $1`;

/** Reads a snapshot with one statement. */
export async function readSnapshot(db: Queryable, chainId: number): Promise<Snapshot> {
  const { rows } = await db.query(SNAPSHOT_QUERY, [chainId]);
  return rows[0] as unknown as Snapshot;
}

/** Returns the expected snapshot for every block of a chain by hash. Blocks that are appended later are added to the map. */
export function expectedSnapshots(chain: Chain): ReadonlyMap<Hex, Snapshot> {
  const snapshots = new Map<Hex, Snapshot>();
  const add = ({ number, hash }: ChainBlock) => snapshots.set(hash, snapshotAt(chain, number));
  for (const block of chain.blocks) add(block);
  onTestFinished(chain.onBlock(add));
  return snapshots;
}

/** Computes the snapshot at a canonical block from all logs since the genesis block. */
function snapshotAt(chain: Chain, number: number): Snapshot {
  const balances = new Map<string, bigint>();
  const owners = new Map<bigint, string>();
  let [count, last, supply] = [0, '', 0n];
  const topicAddress = (topic: Hex | undefined): string => `0x${topic?.slice(26)}`;
  for (const { address, topics, data, blockNumber } of chain.logs(0, number)) {
    const [, from, to] = [topics[0], topicAddress(topics[1]), topicAddress(topics[2])];
    if (address === TOKEN) {
      const value = BigInt(data);
      count++;
      last = String(blockNumber);
      if (from === ZERO_ADDRESS) supply += value;
      else balances.set(from, (balances.get(from) ?? 0n) - value);
      if (to === ZERO_ADDRESS) supply -= value;
      else balances.set(to, (balances.get(to) ?? 0n) + value);
    }
    if (address === MASTER && topics.length === 4) owners.set(BigInt(topics[3] ?? 0), to);
  }
  const { hash } = chain.block(number) as ChainBlock;
  const nonZero = [...balances].filter(([, balance]) => balance !== 0n);
  return {
    ...{ head: hash, number, transfers: `${count} to ${last}`, supply: String(supply) },
    balances: nonZero
      .map(([wallet, balance]) => `${wallet}=${balance}`)
      .sort()
      .join(' '),
    owners: [...owners]
      .sort(([a], [b]) => Number(a - b))
      .map(([token, owner]) => `${token}=${owner}`)
      .join(' '),
  };
}

/** Reads a database continuously, each time in a transaction of its own, and keeps the results. */
export class Reader<T> {
  readonly results: T[] = [];
  readonly #client: pg.Client;
  #stopped = false;
  #reading: Promise<void> = Promise.resolve();

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async start<T>(url: string, read: (db: Queryable) => Promise<T>): Promise<Reader<T>> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    const reader = new Reader<T>(client);
    reader.#reading = reader.#readUntilStopped(read);
    // `stop` reports the error.
    reader.#reading.catch(() => undefined);
    onTestFinished(async () => {
      reader.#stopped = true;
      await reader.#reading.catch(() => undefined);
      await client.end();
    });
    return reader;
  }

  /** Stops reading and returns all results. Throws if a read failed. */
  async stop(): Promise<readonly T[]> {
    this.#stopped = true;
    await this.#reading;
    return this.results;
  }

  async #readUntilStopped(read: (db: Queryable) => Promise<T>): Promise<void> {
    while (!this.#stopped) {
      await this.#client.query('begin isolation level repeatable read read only');
      this.results.push(await read(this.#client));
      await this.#client.query('commit');
    }
  }
}
