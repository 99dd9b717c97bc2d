import { sql } from 'kysely';
import { parseAbi } from 'viem';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { transaction } from '../../indexer/db/transaction.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { followedContracts } from '../../indexer/follower/followed-contracts.ts';
import { commitFill } from '../../indexer/ingest/commit-fill.ts';
import { commitHead, commitStart } from '../../indexer/ingest/commit-head.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { type BlockHeader, type BlockRef, type Hex, type RawLog, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import type { Stage } from '../../indexer/stages/stage.ts';
import { stages } from '../../indexer/stages/stages.ts';
import { addressOf, blockHashOf, encodeEvent, hexOf, logOf } from './event-logs.ts';
import { insertArtist, insertRow } from './platform-rows.ts';
import { createDatabase } from './postgres.ts';

/** The chain id of a scene. */
export const CHAIN_ID = 1;
/** A master that was deployed in block 1. */
export const MASTER = addressOf(0xa1);
/** A master that is not announced yet. */
export const OTHER_MASTER = addressOf(0xa2);
/** The dividend contract of the first master. */
export const DIVIDEND = addressOf(0xd1);
/** The block at which the follower starts. */
export const START = 20;

const [moved, claimed, distributed, deposited] = parseAbi([
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  'event DividendClaimed(address indexed holder, uint256 tokenId, uint256 amount)',
  'event DividendsDistributed(uint256 amount, address token, uint256 perTokenAmount)',
  'event RevenueDeposited(uint256 amount, address token, uint256 timestamp)',
]);
/** A wallet. Tokens are minted to it, and it claims. */
export const ALICE = addressOf(0x1);
/** Another wallet. */
export const BOB = addressOf(0x2);

type LogPosition = { readonly block: number; readonly index?: number };

/** Returns the log of a token's mint. */
export function mint(address: Hex, tokenId: bigint, position: LogPosition): RawLog {
  return transfer(address, tokenId, [ZERO_ADDRESS, ALICE], position);
}

/** Returns the log of a token's transfer from one wallet to another. */
export function transfer(
  address: Hex,
  tokenId: bigint,
  [from, to]: readonly [Hex, Hex],
  { block, index = 0 }: LogPosition,
): RawLog {
  const event = encodeEvent(moved, { from, to, tokenId });
  return logOf({ address, blockNumber: block, logIndex: index, ...event });
}

/** The position, holder and amount of a claim. By default, Alice claims 5. */
type ClaimLog = LogPosition & { readonly holder?: Hex; readonly amount?: bigint };

/** Returns the log of a claim for a token. */
export function claim(tokenId: bigint, { holder = ALICE, amount = 5n, ...position }: ClaimLog): RawLog {
  return dividendLog(encodeEvent(claimed, { holder, tokenId, amount }), position);
}

/** Returns the log of a claim for an epoch (ABI version 3.0). The log has the same form as a claim for a token. */
export function claimEpoch(log: ClaimLog): RawLog {
  return claim(1n, log);
}

/** Returns the log of a distribution of an amount to each token, in the native coin. */
export function distribute(perTokenAmount: bigint, position: LogPosition): RawLog {
  return dividendLog(encodeEvent(distributed, { amount: 100n, token: ZERO_ADDRESS, perTokenAmount }), position);
}

/** Returns the log of a deposit in the native coin. */
export function deposit(amount: bigint, position: LogPosition): RawLog {
  return dividendLog(encodeEvent(deposited, { amount, token: ZERO_ADDRESS, timestamp: 1n }), position);
}

/** Returns the hash of the transaction of a log of the dividend contract. */
export function transactionOf({ block, index = 1 }: LogPosition): Hex {
  return hexOf(block * 100 + index, 64);
}

function dividendLog(event: Pick<RawLog, 'topics' | 'data'>, position: LogPosition): RawLog {
  const { block, index = 1 } = position;
  const transactionHash = transactionOf(position);
  return logOf({ address: DIVIDEND, blockNumber: block, logIndex: index, transactionHash, ...event });
}

/** Returns the header of a block. */
function headerOf(number: number): BlockHeader {
  const [hash, parentHash] = [blockHashOf(number), blockHashOf(number - 1)];
  return { number, hash, parentHash, timestamp: 1_700_000_000 + number, logsBloom: '0x' };
}

/** Returns the reference of a block. */
export function blockOf(number: number): BlockRef {
  return { number, hash: blockHashOf(number) };
}

/** A stage that counts the transfers of tokens in each block. The scene creates its table. */
export const transferCounts: Stage = {
  name: 'transfer-counts',
  async advance(tx, { chainId, from, to }) {
    const { numAffectedRows } = await sql`
      insert into test_transfer_counts (chain_id, block_number, transfers)
      select chain_id::bigint, block_number::bigint, count(*) from nft_transfers
      where chain_id = ${String(chainId)} and block_number between ${(from?.number ?? -1) + 1} and ${to.number}
        and block_hash is not null
      group by chain_id, block_number
      on conflict do nothing
    `.execute(tx);
    return Number(numAffectedRows ?? 0);
  },
  async unwind(tx, chainId, to) {
    await sql`delete from test_transfer_counts where chain_id = ${chainId} and block_number > ${to}`.execute(tx);
  },
};

/** Every stage of the program, followed by a stage that only tests have. */
export const testedStages: readonly Stage[] = [...stages, transferCounts];

function receiptsOf(logs: readonly RawLog[]) {
  const ofTransaction = Map.groupBy(logs, ({ transactionHash }) => transactionHash);
  return new Map([...ofTransaction].map(([hash, own]) => [hash, { gasUsed: 1n, effectiveGasPrice: 1n, logs: own }]));
}

/** A database with a chain, to which tests commit blocks directly. */
export class StageScene {
  readonly url: string;
  readonly database: Database;
  readonly drop: () => Promise<void>;
  masterId = '';
  dividendId = '';

  private constructor(url: string, drop: () => Promise<void>) {
    const database = openDatabase({ url });
    this.url = url;
    this.database = database;
    this.drop = async () => {
      await database.close();
      await drop();
    };
  }

  /** Creates a database with a master and a dividend contract of an ABI version, both deployed in block 1, and the head at `START`. */
  static async open({ abiVersion = '1.0' } = {}): Promise<StageScene> {
    const { url, drop } = await createDatabase();
    const scene = new StageScene(url, drop);
    await scene.#query(
      'create table test_transfer_counts (chain_id bigint, block_number bigint, transfers bigint, primary key (chain_id, block_number))',
    );
    const { masterId } = await insertArtist(scene.database.pool, 'first');
    scene.masterId = masterId;
    await scene.announce('master_contracts', MASTER, 1, { master_id: masterId });
    scene.dividendId = await scene.announce('dividend_contracts', DIVIDEND, 1, {
      master_id: masterId,
      linked_master_contract: MASTER,
      distribution_model: 'per_master',
    });
    await scene.database.pool.query('update indexer.contracts set abi_version = $1 where platform_id = $2', [
      abiVersion,
      scene.dividendId,
    ]);
    await followedContracts(scene.database, CHAIN_ID);
    await commitStart(scene.database, await readChain(scene.database.kysely, CHAIN_ID), headerOf(START), START);
    return scene;
  }

  /** Inserts the platform's row of a contract. */
  async announce(
    table: string,
    address: Hex,
    block: number | null,
    values: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    const row = { chain_id: String(CHAIN_ID), contract_address: address, deployed_at_block: block, ...values };
    return insertRow(this.database.pool, table, row);
  }

  /** Inserts a row of `revenue_events` for a transaction that deposited revenue into the dividend contract. Returns the row's id. */
  async insertRevenue({ tx, amount }: { readonly tx: string; readonly amount: string }): Promise<string> {
    return insertRow(this.database.pool, 'revenue_events', {
      master_id: this.masterId,
      source_type: 'manual',
      currency: 'ETH',
      amount,
      deposit_tx_hash: tx,
      deposited_to_contract_id: this.dividendId,
    });
  }

  /** Requests a snapshot of a master at the end of a block. */
  async requestSnapshot(contract: Hex, block: number, reason: string): Promise<void> {
    await this.#query(
      `insert into indexer.snapshot_requests (chain_id, contract_address, block_number, reason, block_timestamp)
       values (${CHAIN_ID}, '${contract}', ${block}, '${reason}', to_timestamp(${headerOf(block).timestamp}))`,
    );
  }

  /** Commits a range of history for the contracts at some addresses. */
  async fill(from: number, to: number, logs: readonly RawLog[], addresses: readonly Hex[] = [MASTER, DIVIDEND]) {
    const { contracts } = await followedContracts(this.database, CHAIN_ID);
    const selected = contracts.filter(({ address }) => addresses.includes(address));
    const inside = logs.filter(
      ({ blockNumber, address }) => blockNumber >= from && blockNumber <= to && addresses.includes(address),
    );
    const numbers = [...new Set([from, ...inside.map(({ blockNumber }) => blockNumber), to])].sort((a, b) => a - b);
    const range = { chainId: CHAIN_ID, from, to, logs: inside, headers: numbers.map(headerOf) };
    const batch = encodeBatch(decodeRange(range, contractIndex(selected), receiptsOf(inside)), factTables);
    const seen = await readChain(this.database.kysely, CHAIN_ID);
    return commitFill(this.database, { pieces: [{ seen, range, batch }], contracts: selected });
  }

  /** Commits the next block at the head and returns its number. `database` may be another connection pool for the same database. */
  async follow(logs: readonly RawLog[] = [], database: Database = this.database): Promise<number> {
    const { contracts, joining } = await followedContracts(this.database, CHAIN_ID);
    const seen = await readChain(this.database.kysely, CHAIN_ID);
    const number = (seen.head?.number ?? 0) + 1;
    const inside = logs.filter(({ blockNumber }) => blockNumber === number);
    const range = { chainId: CHAIN_ID, from: number, to: number, logs: inside, headers: [headerOf(number)] };
    const batch = encodeBatch(decodeRange(range, contractIndex(contracts), receiptsOf(inside)), factTables);
    await commitHead(database, { seen, range, batch, finalized: undefined, joining });
    return number;
  }

  /** Advances stages that have not run yet to a block. */
  async run(stages: readonly Stage[], to: number): Promise<void> {
    await transaction(this.database, async (tx) => {
      for (const stage of stages) await stage.advance(tx, { chainId: CHAIN_ID, from: undefined, to: blockOf(to) });
    });
  }

  /**
   * Returns the rows that stages write, as text, from the tables or from the views of a schema. A row of `links` reads
   * `block/log index: token id of contract`. The queries below show the formats of the other rows.
   */
  async state(
    schema = 'public',
  ): Promise<
    Readonly<
      Record<
        'links' | 'revenue' | 'balances' | 'payments' | 'sums' | 'holdings' | 'snapshots' | 'holders' | 'counts',
        readonly string[]
      >
    >
  > {
    const read = async (text: string) => {
      const client = await this.database.pool.connect();
      try {
        await client.query(`begin; set local search_path = ${schema}, public`);
        const { rows } = await client.query<{ readonly text: string }>(text);
        await client.query('commit');
        return rows.map((row) => row.text);
      } finally {
        client.release();
      }
    };
    return {
      links: await read(
        `select claim.block_number || '/' || claim.log_index || ': ' || token.token_id || ' of ' || token.contract_address as text
         from dividend_claims claim join master_nfts token on token.id = claim.master_nft_id order by claim.position`,
      ),
      revenue: await read(
        `select position || ': ' || revenue_event_id as text from dividend_events where revenue_event_id is not null order by position`,
      ),
      balances: await read(
        `select format('%s %s: earned %s, claimed %s, claimable %s, tokens %s, last %s', wallet_address, currency, total_earned,
           total_claimed, claimable_amount, tokens_held, last_claim_tx_hash) as text
         from wallet_dividend_balances order by 1`,
      ),
      payments: await read(
        `select format('%s: %s at %s', token_id, total_dividends_received, last_dividend_claimed_at) as text
         from master_nfts where last_dividend_claimed_at is not null order by 1`,
      ),
      sums: await read(
        `select format('%s: %s, %s tokens', position, total, tokens) as text from indexer.distribution_sums order by position`,
      ),
      holdings: await read(
        `select format('%s: %s', wallet_address, tokens) as text from indexer.master_holdings where tokens > 0 order by 1`,
      ),
      snapshots: await read(
        `select format('%s/%s %s: %s of %s at %s', snapshot_block_number, snapshot_log_index, snapshot_reason, token_id, owner_wallet,
           extract(epoch from snapshot_timestamp)::bigint) as text
         from nft_ownership_snapshots order by snapshot_block_number, snapshot_log_index, token_id`,
      ),
      holders: await read(
        `select position || ': ' || total_holders_at_distribution as text from dividend_events
         where total_holders_at_distribution is not null order by position`,
      ),
      counts: await read(
        `select block_number || ': ' || transfers as text from test_transfer_counts order by block_number`,
      ),
    };
  }

  /** Returns the block that each stage has reached, by the stage's name. */
  async asOf(): Promise<Readonly<Record<string, number>>> {
    const rows = await this.#query(
      'select name as text, as_of_number::int as number from indexer.stages order by name',
    );
    return Object.fromEntries(rows.map(({ text, number }) => [text, number]));
  }

  async #query(text: string): Promise<readonly { readonly text: string; readonly number: number }[]> {
    return (await this.database.pool.query(text)).rows;
  }
}
