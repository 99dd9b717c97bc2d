import type pg from 'pg';
import type { Row } from './naive-rows.ts';

/** Tables that are compared, by name, each as its rows. */
export type Tables = ReadonlyMap<string, readonly Row[]>;

/** Everything that a database holds of some chains, read in one statement and so in one snapshot. */
export type Stored = {
  readonly heads: ReadonlyMap<number, StoredChain>;
  readonly contracts: readonly StoredContract[];
  readonly tables: Tables;
};
export type StoredChain = {
  readonly headNumber: number | null;
  readonly headHash: string | null;
  readonly epoch: number;
};
export type StoredContract = {
  readonly chainId: number;
  readonly address: string;
  readonly kind: string;
  readonly status: string;
  /** Whether a block is covered by fills or by the follower. */
  readonly covers: (blockNumber: number) => boolean;
};

const epoch = (column: string, name: string) => `extract(epoch from ${column})::bigint as ${name}`;
const origin = `chain_id, block_number, log_index, block_hash, tx_hash, ${epoch('block_timestamp', 'timestamp')}, position`;
const ofPublic = 'where chain_id = any($1::text[])';
const ofIndexer = 'where chain_id = any($1::bigint[])';

/** What is read of each table; names are those of the columns, except times, which are Unix seconds. */
const QUERIES: Readonly<Record<string, string>> = {
  nft_transfers: `select ${origin}, contract_address, token_id, master_nft_id, master_id, from_wallet, to_wallet, transfer_type,
    sale_price_wei, sale_currency from nft_transfers ${ofPublic}`,
  token_transfers: `select ${origin}, contract_address, artist_token_id, from_wallet, to_wallet, value
    from token_transfers ${ofPublic}`,
  pool_events: `select ${origin}, pool_address, liquidity_pool_id, artist_token_id, event_type, amount0, amount1, sender, recipient
    from pool_events ${ofPublic}`,
  dividend_events: `select ${origin}, contract_address, dividend_contract_id, master_id, event_type, total_amount, currency,
    claimant_wallet, claimant_token_id, per_token_amount from dividend_events ${ofPublic}`,
  dividend_claims: `select ${origin}, dividend_contract_id, master_id, wallet_address, token_id, amount_claimed, currency, gas_used,
    gas_price_wei from dividend_claims ${ofPublic}`,
  claim_links: `select chain_id, position, master_nft_id from dividend_claims ${ofPublic} and master_nft_id is not null`,
  contract_events: `select ${origin}, address, kind, event, (
      select string_agg(key || '=' || value, ' ' order by key collate "C") from jsonb_each_text(arguments)
    ) as arguments from indexer.contract_events ${ofIndexer}`,
  dead_letters: `select chain_id, address, block_number, log_index, block_hash, tx_hash, array_to_string(topics, ',') as topics, data
    from indexer.dead_letters ${ofIndexer} and kind = 'log' and reason <> ''`,
  master_nfts: `select id, chain_id, contract_address, token_id, master_id, master_contract_id, current_owner_wallet, last_position,
    original_minter_wallet, first_mint_position, mint_count, mint_tx_hash, minted_at_block, ${epoch('minted_at', 'minted_at')},
    mint_price_wei, is_first_minter, is_second_minter, is_third_minter, listing_status from master_nfts ${ofPublic}`,
  master_contracts: `select chain_id, contract_address, first_minter_wallet, second_minter_wallet, third_minter_wallet,
    third_mint_position, coalesce(contract_total_supply, 0) as contract_total_supply, minted_supply, contract_royalty_bps,
    royalty_position from master_contracts ${ofPublic}`,
  token_holders: `select artist_token_id, chain_id, wallet_address, balance, first_position, first_acquired_position,
    ${epoch('first_acquired_at', 'first_acquired_at')}, first_acquired_tx_hash from token_holders ${ofPublic}`,
  artist_tokens: `select chain_id, contract_address, total_supply, coalesce(holders_count, 0) as holders_count
    from artist_tokens ${ofPublic}`,
  pool_positions: `select liquidity_pool_id, chain_id, wallet_address, lp_token_balance, first_position, entry_position,
    ${epoch('entered_at', 'entered_at')}, entry_tx_hash from pool_positions ${ofPublic}`,
  liquidity_pools: `select chain_id, pool_address, coalesce(reserve0, 0) as reserve0, coalesce(reserve1, 0) as reserve1,
    reserve_position, lp_total_supply from liquidity_pools ${ofPublic}`,
  dividend_contracts: `select chain_id, contract_address, coalesce(total_revenue_deposited, 0) as total_revenue_deposited,
    coalesce(total_dividends_distributed, 0) as total_dividends_distributed from dividend_contracts ${ofPublic}`,
  master_ipos: `select master_id, minted_supply from master_ipos
    where master_id in (select master_id from master_contracts ${ofPublic})`,
};

/** Every number as text, so that none is rounded on its way. */
const STATEMENT = `select
  (select jsonb_agg(to_jsonb(t)) from (select chain_id, head_number, head_hash, epoch from indexer.chains ${ofIndexer}) t)
    as chains,
  (select jsonb_agg(to_jsonb(t)) from (
    select contract.chain_id, address, kind, contract.status, (covered + case when live_from <= head_number
      then int8multirange(int8range(live_from, head_number, '[]')) else '{}'::int8multirange end)::text as covered
    from indexer.contracts contract left join indexer.chains using (chain_id) ${ofIndexer}
  ) t) as contracts,
  ${Object.entries(QUERIES)
    .map(([name, query]) => `(select jsonb_agg(jsonb_object(array_agg)) from (${rowsAsText(query)}) t) as ${name}`)
    .join(',\n')}`;

function rowsAsText(query: string): string {
  return `select (select array_agg(array[key, value]) from jsonb_each_text(to_jsonb(r))) from (${query}) r`;
}

type Answer = Readonly<Record<string, readonly Readonly<Record<string, string | number | null>>[] | null>>;

/** Reads everything that is compared, of some chains. */
export async function readStored(pool: pg.Pool, chainIds: readonly number[]): Promise<Stored> {
  const { rows } = await pool.query<Answer>({ name: 'stored', text: STATEMENT, values: [chainIds.map(String)] });
  const answer = rows[0] ?? {};
  const heads = (answer.chains ?? []).map((row): [number, StoredChain] => [
    Number(row.chain_id),
    {
      headNumber: row.head_number === null ? null : Number(row.head_number),
      headHash: row.head_hash as string | null,
      epoch: Number(row.epoch),
    },
  ]);
  const contracts = (answer.contracts ?? []).map((row) => ({
    chainId: Number(row.chain_id),
    address: String(row.address),
    kind: String(row.kind),
    status: String(row.status),
    covers: coverageOf(String(row.covered)),
  }));
  const tables = new Map(Object.keys(QUERIES).map((name) => [name, (answer[name] ?? []) as readonly Row[]]));
  return { heads: new Map(heads), contracts, tables };
}

/** Reads PostgreSQL's text of a multirange. */
function coverageOf(text: string): (blockNumber: number) => boolean {
  const stretches = [...text.matchAll(/\[(\d+),(\d*)\)/g)].map(([, from, end]) => ({
    from: Number(from),
    end: end === '' ? Number.POSITIVE_INFINITY : Number(end),
  }));
  return (block) => stretches.some(({ from, end }) => from <= block && block < end);
}
