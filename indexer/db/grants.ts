/** The tables of facts (decoded logs) and of state (derived from facts) that only the mirror (this program) writes. */
const MIRROR_TABLES = [
  ...['nft_transfers', 'token_transfers', 'pool_events', 'dividend_events', 'dividend_claims'],
  ...['token_holders', 'pool_positions', 'wallet_dividend_balances', 'nft_ownership_snapshots'],
];

/** The columns of a contract's address and deployment. The mirror lower-cases the address and completes or corrects the rest. */
const DEPLOYMENT = ['contract_address', 'deployment_tx_hash', 'deployed_at_block', 'deployed_at'];
const INDEXED = ['last_indexed_block', 'last_indexed_at'];

/** The columns that the mirror updates in tables outside `MIRROR_TABLES`, which also have columns that only the platform writes. */
const UPDATED_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  master_nfts: [
    ...['master_id', 'master_contract_id', 'token_id', 'chain_id', 'contract_address', 'current_owner_wallet'],
    ...['original_minter_wallet', 'is_first_minter', 'is_second_minter', 'is_third_minter', 'mint_tx_hash'],
    ...['minted_at_block', 'minted_at', 'mint_price_wei', 'token_uri', 'total_dividends_received'],
    ...[
      'last_dividend_claimed_at',
      'last_position',
      'first_mint_position',
      'mint_count',
      'dividends_block',
      ...INDEXED,
    ],
  ],
  master_contracts: [
    ...['minted_supply', 'current_supply', 'default_royalty_bps', 'royalty_position', 'third_mint_position'],
    ...['first_minter_wallet', 'second_minter_wallet', 'third_minter_wallet', ...DEPLOYMENT, ...INDEXED],
  ],
  dividend_contracts: ['total_revenue_deposited', 'total_dividends_distributed', ...DEPLOYMENT, ...INDEXED],
  artist_tokens: ['name', 'symbol', 'decimals', 'total_supply', 'holders_count', ...DEPLOYMENT, ...INDEXED],
  liquidity_pools: [
    ...[
      'token0_address',
      'token1_address',
      'token0_symbol',
      'token1_symbol',
      'reserve0',
      'reserve1',
      'reserve_position',
    ],
    ...['lp_total_supply', 'artist_token_id', 'pool_address', 'created_at_block', 'created_at_tx_hash', ...INDEXED],
  ],
  master_ipos: ['minted_supply'],
};

/**
 * The columns that the mirror sets in rows that it inserts. These rows are NFTs, contracts that an operator adds, and a placeholder user,
 * artist and master for each such contract whose master or artist the operator does not name.
 */
const INSERTED_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  master_nfts: ['id', ...(UPDATED_COLUMNS.master_nfts ?? [])],
  master_contracts: ['id', 'master_id', 'chain_id', 'contract_address', 'deployed_at_block'],
  dividend_contracts: [
    ...['id', 'master_id', 'artist_id', 'distribution_model', 'chain_id', 'contract_address', 'linked_master_contract'],
    'deployed_at_block',
  ],
  artist_tokens: [
    ...['id', 'artist_id', 'chain_id', 'contract_address', 'name', 'symbol', 'total_supply', 'deployed_at_block'],
  ],
  liquidity_pools: [
    ...['id', 'artist_token_id', 'chain_id', 'pool_address', 'pool_type', 'token0_address', 'token1_address'],
    'created_at_block',
  ],
  users: ['id', 'email', 'display_name', 'status'],
  artists: ['id', 'user_id', 'artist_name', 'slug', 'is_active'],
  masters: ['id', 'artist_id', 'title'],
};

/** The columns that the mirror may read, in tables that also have columns that it must not read. */
const READ_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  users: ['id'],
  artists: ['id'],
  masters: ['id', 'artist_id'],
  revenue_events: ['id', 'amount', 'created_at', 'deposit_tx_hash', 'deposited_to_contract_id'],
};

const TABLES = [
  ...new Set([...MIRROR_TABLES, ...Object.keys({ ...UPDATED_COLUMNS, ...INSERTED_COLUMNS, ...READ_COLUMNS })]),
];

/**
 * Returns the statements that grant a role exactly the privileges that the mirror (this program) needs, except those for migrations. Each
 * statement can be repeated. The owner of the tables must run them, and must be allowed to grant `bypassrls`.
 *
 * Row-level security cannot restrict what the mirror writes, because PostgreSQL refuses `COPY` into a table whose policies apply to the
 * role. So the role bypasses row-level security, and privileges on tables and columns restrict the role instead.
 */
export function grantStatements(role: string): readonly string[] {
  const to = quoted(role);
  const columns = (names: readonly string[]) => names.map(quoted).join(', ');
  const grants = (privilege: string, tables: Readonly<Record<string, readonly string[]>>) =>
    Object.entries(tables).map(
      ([table, names]) => `grant ${privilege} (${columns(names)}) on public.${quoted(table)} to ${to};`,
    );
  const readable = TABLES.filter((table) => !(table in READ_COLUMNS));
  return [
    '-- What only the mirror uses.',
    `grant usage on schema public, indexer to ${to};`,
    `grant select, insert, update, delete on all tables in schema indexer to ${to};`,
    `grant usage on all sequences in schema indexer to ${to};`,
    `grant select on public.indexing_progress to ${to};`,
    '-- Tables that only the mirror writes.',
    `grant insert, update, delete on ${MIRROR_TABLES.map((table) => `public.${quoted(table)}`).join(', ')} to ${to};`,
    `grant delete on public.master_nfts to ${to};`,
    '-- Columns that the mirror updates.',
    ...grants('update', UPDATED_COLUMNS),
    '-- Columns of rows that the mirror inserts.',
    ...grants('insert', INSERTED_COLUMNS),
    '-- What the mirror reads.',
    `grant select on ${readable.map((table) => `public.${quoted(table)}`).join(', ')} to ${to};`,
    ...grants('select', READ_COLUMNS),
    '-- Policies of the platform do not apply to the mirror. `COPY` works on no table whose policies apply.',
    `alter role ${to} bypassrls;`,
    '-- The queue creates its schema, if it is in this database.',
    `do $$ begin execute format('grant create on database %I to %I', current_database(), ${literal(role)}); end $$;`,
  ];
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
