import { type Kysely, sql } from 'kysely';

type Columns = Readonly<Record<string, string>>;

/** Columns whose values are read from the chain. */
const ON_CHAIN: Readonly<Record<string, Columns>> = {
  master_contracts: {
    chain_id: 'EIP-155 chain id, in decimal',
    contract_address: 'Address of the ERC-721C contract, in lower case',
    deployment_tx_hash: 'Transaction that deployed the contract',
    deployed_at_block: 'Block that deployed the contract',
    deployed_at: 'Time of that block',
  },
  nft_transfers: {
    token_id: 'Token that moved',
    chain_id: 'EIP-155 chain id, in decimal',
    contract_address: 'Contract that emitted the log',
    from_wallet: 'Sender; the zero address for a mint',
    to_wallet: 'Recipient; the zero address for a burn',
    tx_hash: 'Transaction of the log',
    block_number: 'Block of the log',
    block_hash: 'Hash of that block, which says on which branch this is a fact',
    log_index: 'Place of the log in its block',
    block_timestamp: 'Time of that block',
  },
  dividend_contracts: {
    chain_id: 'EIP-155 chain id, in decimal',
    contract_address: 'Address of the contract, in lower case',
    deployment_tx_hash: 'Transaction that deployed the contract',
    deployed_at_block: 'Block that deployed the contract',
    deployed_at: 'Time of that block',
  },
  dividend_events: {
    chain_id: 'EIP-155 chain id, in decimal',
    contract_address: 'Contract that emitted the log',
    tx_hash: 'Transaction of the log',
    block_number: 'Block of the log',
    block_hash: 'Hash of that block, which says on which branch this is a fact',
    log_index: 'Place of the log in its block',
    block_timestamp: 'Time of that block',
    total_amount: 'Amount deposited, distributed or claimed, in the smallest unit of its currency',
    claimant_wallet: 'Holder of a claim',
    claimant_token_id: 'Token of a claim',
    per_token_amount: 'Amount that each token earns in a distribution',
  },
  dividend_claims: {
    wallet_address: 'Holder who claimed',
    token_id: 'Token that the claim is for',
    amount_claimed: 'Amount, in the smallest unit of its currency',
    tx_hash: 'Transaction of the log',
    block_number: 'Block of the log',
    block_hash: 'Hash of that block, which says on which branch this is a fact',
    log_index: 'Place of the log in its block',
    block_timestamp: 'Time of that block',
    chain_id: 'EIP-155 chain id, in decimal',
    gas_used: "Gas that the claim's transaction used, from its receipt",
    gas_price_wei: "Effective gas price of the claim's transaction, from its receipt",
  },
  artist_tokens: {
    chain_id: 'EIP-155 chain id, in decimal',
    contract_address: 'Address of the ERC-20 contract, in lower case',
    name: 'name() of the contract: what of it is legal, cut to the column, empty where there is none',
    symbol: 'symbol() of the contract, treated like its name',
    decimals: 'decimals() of the contract',
    deployment_tx_hash: 'Transaction that deployed the contract',
    deployed_at_block: 'Block that deployed the contract',
    deployed_at: 'Time of that block',
  },
  token_transfers: {
    chain_id: 'EIP-155 chain id, in decimal',
    contract_address: 'Contract that emitted the log',
    from_wallet: 'Sender; the zero address for a mint',
    to_wallet: 'Recipient; the zero address for a burn',
    value: 'Amount, in the smallest unit of the token',
    tx_hash: 'Transaction of the log',
    block_number: 'Block of the log',
    block_hash: 'Hash of that block, which says on which branch this is a fact',
    log_index: 'Place of the log in its block',
    block_timestamp: 'Time of that block',
  },
  liquidity_pools: {
    chain_id: 'EIP-155 chain id, in decimal',
    pool_address: 'Address of the pair or pool, in lower case',
    token0_address: 'token0() of the pool',
    token1_address: 'token1() of the pool',
    token0_symbol: 'symbol() of token0',
    token1_symbol: 'symbol() of token1',
    reserve0: "Reserve of token0, of the pool's latest Sync; 0 before the first",
    reserve1: "Reserve of token1, of the pool's latest Sync; 0 before the first",
    created_at_block: 'Block that deployed the pool',
    created_at_tx_hash: 'Transaction that deployed the pool',
  },
  pool_events: {
    chain_id: 'EIP-155 chain id, in decimal',
    pool_address: 'Pool that emitted the log',
    tx_hash: 'Transaction of the log',
    block_number: 'Block of the log',
    block_hash: 'Hash of that block, which says on which branch this is a fact',
    log_index: 'Place of the log in its block',
    block_timestamp: 'Time of that block',
    sender: 'Caller of the pool, as the log names it',
    recipient: 'Who received what the pool paid out',
  },
  'indexer.contract_events': {
    chain_id: 'EIP-155 chain id',
    address: 'Contract that emitted the log',
    event: 'Name of the event in the ABI',
    arguments: 'Arguments by their name in the ABI: numbers as decimal strings, bytes as lower-case hexadecimal',
    tx_hash: 'Transaction of the log',
    block_number: 'Block of the log',
    block_hash: 'Hash of that block, which says on which branch this is a fact',
    log_index: 'Place of the log in its block',
    block_timestamp: 'Time of that block',
  },
};

const POSITION = 'block_number × 2^32 + log_index, which orders facts';

/** Columns whose values are derived from facts. */
const DERIVED: Readonly<Record<string, Columns>> = {
  master_ipos: { minted_supply: 'Distinct tokens minted, over all chains of the master' },
  master_contracts: {
    minted_supply: 'Distinct tokens minted',
    contract_royalty_bps: 'Fee numerator of the latest DefaultRoyaltySet',
    royalty_position: 'Position of that log',
    first_minter_wallet: 'Minter of the first mint by position, ties within a batch by token id',
    second_minter_wallet: 'Minter of the second mint; a wallet may repeat',
    third_minter_wallet: 'Minter of the third mint; a wallet may repeat',
    third_mint_position: 'Position of the third mint: later mints change no minter',
  },
  master_nfts: {
    current_owner_wallet: 'Recipient of the latest transfer; the zero address for a burnt token',
    last_position: 'Position of the latest transfer',
    original_minter_wallet: 'Recipient of the first mint; the zero address while that is unknown',
    first_mint_position: 'Position of the first mint',
    mint_count: 'How often the token was minted: a burnt token may be minted again',
    mint_tx_hash: 'Transaction of the first mint',
    minted_at_block: 'Block of the first mint',
    minted_at: 'Time of the first mint',
    mint_price_wei: "Price of the contract's Minted event beside the first mint",
    is_first_minter: "Whether this token's mint was the contract's first",
    is_second_minter: "Whether this token's mint was the contract's second",
    is_third_minter: "Whether this token's mint was the contract's third",
    total_dividends_received: 'Sum of the claims for this token, in native coin',
  },
  nft_transfers: {
    transfer_type: 'mint from the zero address, burn to it, otherwise transfer or sale',
    sale_price_wei: "For a mint the price of the contract's Minted event of the same transaction and token",
    sale_currency: 'Token that the price was paid in; the zero address is the native coin',
    position: POSITION,
  },
  nft_ownership_snapshots: {
    owner_wallet: "Owner after all facts up to the snapshot's block and log",
    snapshot_timestamp: 'Time of that block',
    snapshot_block_number: 'Block that the snapshot is of',
    snapshot_log_index: 'Log in that block that the snapshot is of',
  },
  dividend_contracts: {
    total_revenue_deposited: 'Sum of deposits in native coin',
    total_dividends_distributed: 'Sum of distributions in native coin',
  },
  dividend_events: {
    event_type: 'deposit, distribution or claim, by the name of the event',
    currency: "Token's address; the zero address is the native coin",
    total_holders_at_distribution: 'Holders at the block and log of a distribution',
    position: POSITION,
  },
  dividend_claims: {
    currency: 'The zero address (native coin), unless the receipt shows one matching ERC-20 payment',
    position: POSITION,
  },
  wallet_dividend_balances: {
    total_earned: 'Sum of what distributions gave to tokens that the wallet owned then',
    total_claimed: 'Sum of claims',
    claimable_amount: 'Earned less claimed',
    last_claimed_at: 'Time of the latest claim',
    last_claim_tx_hash: 'Transaction of the latest claim',
    tokens_held: 'Tokens of the contract that the wallet owns',
  },
  artist_tokens: {
    total_supply: 'Mints less burns',
    circulating_supply: 'Supply in circulation',
    holders_count: 'Wallets with a balance above zero; the zero address is never one',
  },
  token_holders: {
    wallet_address: 'Wallet that a transfer named',
    balance: 'What came in less what went out; negative only while history has gaps',
    first_position: 'Position of the first transfer that names the wallet',
    first_acquired_at: 'Time of the first incoming transfer of more than 0',
    first_acquired_tx_hash: 'Transaction of that transfer',
    first_acquired_position: 'Position of that transfer',
  },
  token_transfers: { position: POSITION },
  liquidity_pools: {
    reserve_position: 'Position of the Sync that the reserves are of',
    lp_total_supply: 'LP tokens minted less burnt',
  },
  pool_events: {
    event_type: 'add_liquidity, remove_liquidity or swap, by the name of the event',
    amount0: 'Amount of token0; of a swap signed as the pool sees it, positive in',
    amount1: 'Amount of token1; of a swap signed as the pool sees it, positive in',
    position: POSITION,
  },
  pool_positions: {
    wallet_address: 'Owner of the liquidity',
    lp_token_balance: 'LP tokens (V2) or liquidity (V3): what came in less what went out',
    token0_amount: 'Share of token0',
    token1_amount: 'Share of token1',
    tick_lower: 'Lower tick of a V3 range; null in a V2 pool',
    tick_upper: 'Upper tick of a V3 range; null in a V2 pool',
    first_position: 'Position of the first log that names the wallet',
    entered_at: 'Time of the first incoming LP transfer of more than 0',
    entry_tx_hash: 'Transaction of that transfer',
    entry_position: 'Position of that transfer',
  },
  'indexer.contract_events': { position: POSITION },
};

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [mark, tables] of [['[ON-CHAIN]', ON_CHAIN] as const, ['[DERIVED]', DERIVED] as const]) {
    for (const [table, columns] of Object.entries(tables)) {
      for (const [column, text] of Object.entries(columns)) await comment(db, table, column, `${mark} ${text}`);
    }
  }
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const tables of [ON_CHAIN, DERIVED]) {
    for (const [table, columns] of Object.entries(tables)) {
      for (const column of Object.keys(columns)) await comment(db, table, column, null);
    }
  }
}

async function comment(db: Kysely<unknown>, table: string, column: string, text: string | null): Promise<void> {
  await sql`comment on column ${sql.table(table)}.${sql.ref(column)} is ${sql.lit(text)}`.execute(db);
}
