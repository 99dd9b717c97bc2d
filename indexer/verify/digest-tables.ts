/** A table as the digest sees it: what of its rows must be equal in two databases that saw the same chain. */
export type DigestTable = {
  readonly name: string;
  /** Everything after `from`: the rows that count. */
  readonly rows: string;
  /** Natural key and chain-derived columns, as SQL expressions; no surrogate id, no bookkeeping, nothing that the platform owns. */
  readonly columns: readonly string[];
};

const origin = ['chain_id', 'tx_hash', 'block_number', 'block_hash', 'log_index', 'block_timestamp'];

/** A row that the platform's former indexer wrote has no block hash and is no fact. */
const facts = 'where block_hash is not null';

/**
 * Facts, state and stages. The names are those of `indexer digest`; text of our own, never input.
 */
export const digestTables: readonly DigestTable[] = [
  {
    name: 'nft_transfers',
    rows: `nft_transfers ${facts}`,
    columns: [
      ...origin,
      'contract_address',
      'token_id',
      'from_wallet',
      'to_wallet',
      'transfer_type',
      'sale_price_wei',
      'sale_currency',
    ],
  },
  {
    name: 'token_transfers',
    rows: 'token_transfers',
    columns: [...origin, 'contract_address', 'from_wallet', 'to_wallet', 'value'],
  },
  {
    name: 'pool_events',
    rows: `pool_events ${facts}`,
    columns: [...origin, 'pool_address', 'event_type', 'amount0', 'amount1', 'sender', 'recipient'],
  },
  {
    name: 'dividend_events',
    rows: `dividend_events ${facts}`,
    columns: [
      ...origin,
      'contract_address',
      'event_type',
      'total_amount',
      'currency',
      'claimant_wallet',
      'claimant_token_id',
      'per_token_amount',
    ],
  },
  {
    name: 'dividend_claims',
    rows: `(
      select claim.*, contract.contract_address, claim.master_nft_id is not null as linked
      from dividend_claims claim join dividend_contracts contract on contract.id = claim.dividend_contract_id
    ) claim ${facts}`,
    columns: [
      ...origin,
      'contract_address',
      'wallet_address',
      'token_id',
      'amount_claimed',
      'currency',
      'gas_used',
      'gas_price_wei',
      'linked',
    ],
  },
  {
    name: 'contract_events',
    rows: 'indexer.contract_events',
    columns: [...origin, 'address', 'kind', 'event', 'arguments'],
  },
  {
    name: 'dead_letters',
    rows: `indexer.dead_letters where kind = 'log'`,
    columns: ['chain_id', 'address', 'tx_hash', 'block_number', 'block_hash', 'log_index', 'topics', 'data', 'reason'],
  },
  {
    name: 'master_nfts',
    // A row without a fact is the platform's alone.
    rows: 'master_nfts where last_position is not null',
    columns: [
      'chain_id',
      'contract_address',
      'token_id',
      'current_owner_wallet',
      'original_minter_wallet',
      'is_first_minter',
      'is_second_minter',
      'is_third_minter',
      'mint_tx_hash',
      'minted_at_block',
      'minted_at',
      'mint_price_wei',
      'mint_count',
      'last_position',
      'first_mint_position',
    ],
  },
  {
    name: 'master_contracts',
    rows: 'master_contracts',
    columns: [
      'chain_id',
      'contract_address',
      'coalesce(contract_total_supply, 0)',
      'minted_supply',
      'contract_royalty_bps',
      'first_minter_wallet',
      'second_minter_wallet',
      'third_minter_wallet',
    ],
  },
  {
    name: 'master_ipos',
    rows: `(
      select minted_supply, (
        select string_agg(chain_id || ':' || contract_address, ',' order by chain_id, contract_address)
        from master_contracts where master_id = ipo.master_id
      ) as contracts
      from master_ipos ipo
    ) ipo where contracts is not null`,
    columns: ['contracts', 'minted_supply'],
  },
  {
    name: 'token_holders',
    rows: `(
      select holder.*, token.contract_address
      from token_holders holder join artist_tokens token on token.id = holder.artist_token_id
    ) holder where first_position is not null`,
    columns: [
      'chain_id',
      'contract_address',
      'wallet_address',
      'balance',
      'first_position',
      'first_acquired_at',
      'first_acquired_tx_hash',
    ],
  },
  {
    name: 'artist_tokens',
    rows: 'artist_tokens',
    columns: ['chain_id', 'contract_address', 'total_supply', 'coalesce(holders_count, 0)'],
  },
  {
    name: 'liquidity_pools',
    rows: 'liquidity_pools',
    columns: ['chain_id', 'pool_address', 'coalesce(reserve0, 0)', 'coalesce(reserve1, 0)', 'lp_total_supply'],
  },
  {
    name: 'pool_positions',
    rows: `(
      select position.*, pool.pool_address
      from pool_positions position join liquidity_pools pool on pool.id = position.liquidity_pool_id
    ) position where first_position is not null`,
    columns: [
      'chain_id',
      'pool_address',
      'wallet_address',
      'tick_lower',
      'tick_upper',
      'lp_token_balance',
      'first_position',
      'entered_at',
      'entry_tx_hash',
    ],
  },
  {
    name: 'dividend_contracts',
    rows: 'dividend_contracts',
    columns: [
      'chain_id',
      'contract_address',
      'coalesce(total_revenue_deposited, 0)',
      'coalesce(total_dividends_distributed, 0)',
    ],
  },
];
