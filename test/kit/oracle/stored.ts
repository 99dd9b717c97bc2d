import type { Queryable } from '../queryable.ts';
import type { Kind } from './events.ts';
import type { Row, Tables } from './fact-rows.ts';

/** A table to compare: its key, and the query that reads it. */
export type ComparedTable = {
  readonly name: string;
  /** The kind of contract whose rows the table has; undefined if it has rows of several kinds. */
  readonly kind?: Kind;
  readonly key: readonly string[];
  /** SQL that shares nothing with the program's queries. `$1` is the array of chain ids. */
  readonly query: string;
};

const epoch = (column: string, name: string) => `extract(epoch from ${column})::bigint as ${name}`;
const ORIGIN = `chain_id, block_number, log_index, block_hash, tx_hash, ${epoch('block_timestamp', 'timestamp')}, position`;
const IN_PUBLIC = 'chain_id = any($1::text[])';
const IN_INDEXER = 'chain_id = any($1::bigint[])';
const FACT_KEY = ['chain_id', 'block_number', 'log_index'];

/** The compared tables. Columns keep their names, except that a contract's address is `contract`. Times are in Unix seconds. */
export const COMPARED_TABLES: readonly ComparedTable[] = [
  {
    name: 'nft_transfers',
    kind: 'master',
    key: [...FACT_KEY, 'token_id'],
    query: `select ${ORIGIN}, contract_address as contract, token_id, master_nft_id, master_id, from_wallet, to_wallet,
      transfer_type, sale_price_wei, sale_currency from nft_transfers where ${IN_PUBLIC}`,
  },
  {
    name: 'token_transfers',
    kind: 'artist_token',
    key: FACT_KEY,
    query: `select ${ORIGIN}, contract_address as contract, artist_token_id, from_wallet, to_wallet, value
      from token_transfers where ${IN_PUBLIC}`,
  },
  {
    name: 'pool_events',
    kind: 'pool',
    key: FACT_KEY,
    query: `select ${ORIGIN}, pool_address as contract, liquidity_pool_id, artist_token_id, event_type, amount0, amount1, sender,
      recipient from pool_events where ${IN_PUBLIC}`,
  },
  {
    name: 'dividend_events',
    kind: 'dividend',
    key: FACT_KEY,
    query: `select ${ORIGIN}, contract_address as contract, dividend_contract_id, master_id, event_type, total_amount, currency,
      claimant_wallet, claimant_token_id, per_token_amount from dividend_events where ${IN_PUBLIC}`,
  },
  {
    name: 'dividend_claims',
    kind: 'dividend',
    key: FACT_KEY,
    query: `select ${ORIGIN}, dividend_contract_id, master_id, wallet_address, token_id, amount_claimed, currency, gas_used,
      gas_price_wei, master_nft_id,
      (select contract_address from dividend_contracts where id = dividend_contract_id) as contract
      from dividend_claims where ${IN_PUBLIC}`,
  },
  {
    name: 'contract_events',
    key: [...FACT_KEY, 'kind'],
    query: `select ${ORIGIN}, address as contract, kind, event, (
        select string_agg(key || '=' || value::text, ' ' order by key collate "C") from jsonb_each(arguments)
      ) as arguments from indexer.contract_events where ${IN_INDEXER}`,
  },
  {
    name: 'dead_letters',
    key: FACT_KEY,
    query: `select chain_id, address as contract, block_number, log_index, block_hash, tx_hash,
      array_to_string(topics, ',') as topics, data, (reason <> '')::text as has_reason
      from indexer.dead_letters where ${IN_INDEXER} and kind = 'log'`,
  },
  {
    name: 'master_nfts',
    kind: 'master',
    key: ['contract', 'token_id'],
    query: `select id, chain_id, contract_address as contract, token_id, master_id, master_contract_id, current_owner_wallet,
      last_position, original_minter_wallet, first_mint_position, mint_count, mint_tx_hash, minted_at_block,
      ${epoch('minted_at', 'minted_at')}, mint_price_wei, is_first_minter, is_second_minter, is_third_minter, listing_status,
      coalesce(total_dividends_received, 0) as total_dividends_received,
      ${epoch('last_dividend_claimed_at', 'last_dividend_claimed_at')}
      from master_nfts where ${IN_PUBLIC}`,
  },
  {
    name: 'master_contracts',
    kind: 'master',
    key: ['contract'],
    query: `select chain_id, contract_address as contract, first_minter_wallet, second_minter_wallet, third_minter_wallet,
      third_mint_position, current_supply, minted_supply, default_royalty_bps,
      royalty_position from master_contracts where ${IN_PUBLIC}`,
  },
  {
    name: 'token_holders',
    kind: 'artist_token',
    key: ['contract', 'wallet_address'],
    query: `select artist_token_id, chain_id, wallet_address, balance, first_position, first_acquired_position,
      ${epoch('first_acquired_at', 'first_acquired_at')}, first_acquired_tx_hash,
      (select contract_address from artist_tokens where id = artist_token_id) as contract
      from token_holders where ${IN_PUBLIC}`,
  },
  {
    name: 'artist_tokens',
    kind: 'artist_token',
    key: ['contract'],
    query: `select chain_id, contract_address as contract, total_supply, coalesce(holders_count, 0) as holders_count
      from artist_tokens where ${IN_PUBLIC}`,
  },
  {
    name: 'pool_positions',
    kind: 'pool',
    key: ['contract', 'wallet_address'],
    query: `select liquidity_pool_id, chain_id, wallet_address, lp_token_balance, first_position, entry_position,
      ${epoch('entered_at', 'entered_at')}, entry_tx_hash,
      (select pool_address from liquidity_pools where id = liquidity_pool_id) as contract
      from pool_positions where ${IN_PUBLIC}`,
  },
  {
    name: 'liquidity_pools',
    kind: 'pool',
    key: ['contract'],
    query: `select chain_id, pool_address as contract, coalesce(reserve0, 0) as reserve0, coalesce(reserve1, 0) as reserve1,
      reserve_position, lp_total_supply from liquidity_pools where ${IN_PUBLIC}`,
  },
  {
    name: 'dividend_contracts',
    kind: 'dividend',
    key: ['contract'],
    query: `select chain_id, contract_address as contract, coalesce(total_revenue_deposited, 0) as total_revenue_deposited,
      coalesce(total_dividends_distributed, 0) as total_dividends_distributed from dividend_contracts where ${IN_PUBLIC}`,
  },
  {
    name: 'wallet_dividend_balances',
    kind: 'dividend',
    key: ['contract', 'wallet_address', 'currency'],
    query: `select dividend_contract_id, master_id, chain_id, wallet_address, currency, total_earned, total_claimed, claimable_amount,
      tokens_held, ${epoch('last_claimed_at', 'last_claimed_at')}, last_claim_tx_hash,
      (select contract_address from dividend_contracts where id = dividend_contract_id) as contract
      from wallet_dividend_balances where ${IN_PUBLIC}`,
  },
  {
    name: 'nft_ownership_snapshots',
    kind: 'master',
    key: ['contract', 'snapshot_block_number', 'snapshot_log_index', 'token_id'],
    query: `select id, master_id, chain_id, contract_address as contract, snapshot_block_number, snapshot_log_index,
      ${epoch('snapshot_timestamp', 'snapshot_timestamp')}, token_id, owner_wallet
      from nft_ownership_snapshots where snapshot_reason = 'dividend' and ${IN_PUBLIC}`,
  },
  {
    // A column of facts that a stage writes.
    name: 'distribution_holders',
    kind: 'dividend',
    key: ['contract', 'position'],
    query: `select chain_id, contract_address as contract, position, total_holders_at_distribution
      from dividend_events where event_type = 'distribution' and block_hash is not null and ${IN_PUBLIC}`,
  },
  {
    // A column of facts that a stage writes.
    name: 'revenue_links',
    kind: 'dividend',
    key: ['contract', 'position'],
    query: `select contract_address as contract, chain_id, position, revenue_event_id from dividend_events
      where revenue_event_id is not null and ${IN_PUBLIC}`,
  },
  {
    name: 'master_ipos',
    key: ['master_id'],
    query: `select master_id, minted_supply from master_ipos
      where master_id in (select master_id from master_contracts where ${IN_PUBLIC})`,
  },
];

/** The names of the tables of facts. */
export const FACT_TABLES: readonly string[] = COMPARED_TABLES.flatMap(({ name, key }) =>
  key.includes('log_index') ? name : [],
);

/** The head of a chain in the database. */
export type StoredChain = {
  readonly headNumber: number | null;
  readonly headHash: string | null;
  readonly epoch: number;
};

/** A contract in the database. */
export type StoredContract = {
  readonly chainId: number;
  readonly address: string;
  readonly kind: string;
  readonly status: string;
  /** Returns whether the backfill or the follower has covered a block. */
  readonly covers: (blockNumber: number) => boolean;
};

/** Everything that the database has of some chains, read by one statement and thus in one snapshot. */
export type Stored = {
  readonly heads: ReadonlyMap<number, StoredChain>;
  readonly contracts: readonly StoredContract[];
  readonly tables: Tables;
};

/** How many rows of a table are one value of the result. PostgreSQL limits a value to 1 GB, and V8 a string to 512 MB. */
const PIECE_ROWS = 10_000;

const STATEMENT = statementOf(COMPARED_TABLES);

/** Returns the statement that reads the tables in pieces `(name, rows)`. It returns numbers as text, so that none is rounded. */
function statementOf(compared: readonly ComparedTable[]): string {
  const tables = compared.map(
    ({ name, query }) => `select '${name}', json_agg(json_object(texts)) from (
      select (select array_agg(array[key, value]) from jsonb_each_text(to_jsonb(r))) as texts, row_number() over () / ${PIECE_ROWS} as piece
      from (${query}) r
    ) t group by piece`,
  );
  return `select 'chains' as name, json_agg(to_json(t)) as rows from (
    select chain_id, head_number, head_hash, epoch from indexer.chains where ${IN_INDEXER}
  ) t
  union all select 'contracts', json_agg(to_json(t)) from (
    select contract.chain_id, address, kind, contract.status, (covered + case when live_from <= head_number
      then int8multirange(int8range(live_from, head_number, '[]')) else '{}'::int8multirange end)::text as covered
    from indexer.contracts contract left join indexer.chains using (chain_id) where ${IN_INDEXER}
  ) t
  ${tables.map((table) => `union all ${table}`).join('\n')}`;
}

type StoredRow = Readonly<Record<string, string | number | null>>;
type Piece = { readonly name: string; readonly rows: readonly StoredRow[] | null };

/** Returns the rows of a table. */
function rowsOf(pieces: readonly Piece[], table: string): readonly StoredRow[] {
  return pieces.flatMap(({ name, rows }) => (name === table ? (rows ?? []) : []));
}

/** Reads everything that is compared for some chains. */
export async function readStored(db: Queryable, chainIds: readonly number[]): Promise<Stored> {
  const { rows } = await db.query({ name: 'stored', text: STATEMENT, values: [chainIds.map(String)] });
  const pieces = rows as Piece[];
  const heads = rowsOf(pieces, 'chains').map((row): [number, StoredChain] => [
    Number(row.chain_id),
    {
      headNumber: row.head_number === null ? null : Number(row.head_number),
      headHash: row.head_hash as string | null,
      epoch: Number(row.epoch),
    },
  ]);
  const contracts = rowsOf(pieces, 'contracts').map((row) => ({
    chainId: Number(row.chain_id),
    address: String(row.address),
    kind: String(row.kind),
    status: String(row.status),
    covers: coverageOf(String(row.covered)),
  }));
  return { heads: new Map(heads), contracts, tables: tablesOf(pieces, COMPARED_TABLES) };
}

/** Reads some of the compared tables, for a database that is too large to be read as a whole. */
export async function readTables(
  db: Queryable,
  chainIds: readonly number[],
  compared: readonly ComparedTable[],
): Promise<Tables> {
  const { rows } = await db.query(statementOf(compared), [chainIds.map(String)]);
  return tablesOf(rows as Piece[], compared);
}

function tablesOf(pieces: readonly Piece[], compared: readonly ComparedTable[]): Tables {
  return new Map(compared.map(({ name }) => [name, rowsOf(pieces, name) as readonly Row[]]));
}

/** Parses the text of a multirange. Returns a function that tells whether it contains a block. */
function coverageOf(text: string): (blockNumber: number) => boolean {
  const ranges = [...text.matchAll(/\[(\d+),(\d*)\)/g)].map(([, from, end]) => ({
    from: Number(from),
    end: end === '' ? Number.POSITIVE_INFINITY : Number(end),
  }));
  return (block) => ranges.some(({ from, end }) => from <= block && block < end);
}
