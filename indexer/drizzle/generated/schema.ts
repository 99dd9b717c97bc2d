// Generated from the migrated database by `npm run codegen`. Do not edit.
import { type BuildColumns, type BuildExtraConfigColumns, type ColumnBuilderBase, sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  foreignKey,
  index,
  inet,
  integer,
  jsonb,
  numeric,
  type PgColumnBuilderBase,
  type PgTableExtraConfigValue,
  type PgTableWithColumns,
  pgEnum,
  pgTable,
  pgView,
  text,
  timestamp,
  uniqueIndex,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core';

type Table<Name extends string, Columns extends Record<string, PgColumnBuilderBase>> = PgTableWithColumns<{
  name: Name;
  schema: undefined;
  columns: BuildColumns<Name, Columns, 'pg'>;
  dialect: 'pg';
}>;
type Built<Columns extends Record<string, ColumnBuilderBase>> = BuildExtraConfigColumns<string, Columns, 'pg'>;

// drizzle-kit compares the default of a bigint column with the number that it reads from the database. Only the database applies it.
const bigintDefault = (value: number) => value as unknown as bigint;

/** The enum `account_status`. */
export const accountStatus = pgEnum('account_status', ['active', 'suspended', 'pending_verification', 'deleted']);

/** The enum `audit_action_category`. */
export const auditActionCategory = pgEnum('audit_action_category', ['authentication', 'authorization', 'master', 'ipo', 'revenue', 'subscription', 'vstudio', 'admin', 'system']);

/** The enum `auth_provider`. */
export const authProvider = pgEnum('auth_provider', ['magic_link', 'google', 'microsoft', 'apple', 'github', 'wallet']);

/** The enum `decision_point_type`. */
export const decisionPointType = pgEnum('decision_point_type', ['poll', 'slider', 'ranking', 'open_text', 'binary']);

/** The enum `dividend_distribution_model`. */
export const dividendDistributionModel = pgEnum('dividend_distribution_model', ['per_master', 'per_artist', 'platform']);

/** The enum `dividend_event_type`. */
export const dividendEventType = pgEnum('dividend_event_type', ['deposit', 'distribution', 'claim']);

/** The enum `eligibility_rule`. */
export const eligibilityRule = pgEnum('eligibility_rule', ['open', 'authenticated', 'nft_holders', 'coin_holders', 'subscribers', 'superfans', 'whitelist']);

/** The enum `engagement_event_type`. */
export const engagementEventType = pgEnum('engagement_event_type', ['session_view', 'session_join', 'vote_cast', 'chat_message', 'reaction', 'share', 'bookmark']);

/** The enum `invoice_status`. */
export const invoiceStatus = pgEnum('invoice_status', ['draft', 'open', 'paid', 'void', 'uncollectible']);

/** The enum `ipo_status`. */
export const ipoStatus = pgEnum('ipo_status', ['draft', 'scheduled', 'live', 'closed', 'cancelled']);

/** The enum `master_status`. */
export const masterStatus = pgEnum('master_status', ['draft', 'pending', 'approved', 'live', 'archived']);

/** The enum `master_type`. */
export const masterType = pgEnum('master_type', ['track', 'album']);

/** The enum `nft_listing_status`. */
export const nftListingStatus = pgEnum('nft_listing_status', ['not_listed', 'listed', 'in_escrow', 'sold']);

/** The enum `payment_provider_type`. */
export const paymentProviderType = pgEnum('payment_provider_type', ['stripe', 'crypto_eth', 'crypto_sol', 'paypal', 'apple_pay']);

/** The enum `plan_interval`. */
export const planInterval = pgEnum('plan_interval', ['monthly', 'yearly', 'lifetime']);

/** The enum `pool_event_type`. */
export const poolEventType = pgEnum('pool_event_type', ['add_liquidity', 'remove_liquidity', 'swap']);

/** The enum `pool_type`. */
export const poolType = pgEnum('pool_type', ['uniswap_v2', 'uniswap_v3', 'sushiswap', 'raydium', 'orca', 'custom']);

/** The enum `revenue_event_status`. */
export const revenueEventStatus = pgEnum('revenue_event_status', ['pending', 'verified', 'deposited', 'distributed', 'failed', 'disputed']);

/** The enum `revenue_source_type`. */
export const revenueSourceType = pgEnum('revenue_source_type', ['manual', 'distributor', 'pro', 'sync', 'merchandise', 'live', 'direct', 'secondary', 'other']);

/** The enum `security_event_type`. */
export const securityEventType = pgEnum('security_event_type', ['failed_login', 'suspicious_activity', 'rate_limit_exceeded', 'invalid_token', 'unauthorized_access', 'data_export', 'admin_action', 'configuration_change', 'vulnerability_detected', 'unusual_pattern']);

/** The enum `security_severity`. */
export const securitySeverity = pgEnum('security_severity', ['info', 'low', 'medium', 'high', 'critical']);

/** The enum `subscription_status`. */
export const subscriptionStatus = pgEnum('subscription_status', ['active', 'trialing', 'past_due', 'canceled', 'unpaid', 'incomplete', 'incomplete_expired', 'paused']);

/** The enum `token_type`. */
export const tokenType = pgEnum('token_type', ['artist_coin', 'platform_token', 'governance']);

/** The enum `transfer_type`. */
export const transferType = pgEnum('transfer_type', ['mint', 'transfer', 'sale', 'burn', 'claim']);

/** The enum `user_role`. */
export const userRole = pgEnum('user_role', ['viewer', 'artist', 'producer', 'admin']);

/** The enum `vstudio_session_status`. */
export const vstudioSessionStatus = pgEnum('vstudio_session_status', ['draft', 'scheduled', 'live', 'locked', 'completed', 'ipo_launched', 'cancelled']);

/** The enum `webhook_status`. */
export const webhookStatus = pgEnum('webhook_status', ['pending', 'processing', 'processed', 'failed', 'skipped']);

/** The columns of `accounts`, for a table that has further ones. */
export const accountsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  userId: uuid('user_id').notNull(),
  provider: authProvider('provider').notNull(),
  providerAccountId: varchar('provider_account_id', { length: 255 }).notNull(),
  accessToken: text('access_token'),
  refreshToken: text('refresh_token'),
  accessTokenExpires: timestamp('access_token_expires', { withTimezone: true }),
  providerMetadata: text('provider_metadata'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `accounts`, for a table that has further ones. */
export const accountsConstraints = (t: Built<typeof accountsColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('accounts_provider_account_idx').on(t.provider, t.providerAccountId),
  index('accounts_user_id_idx').on(t.userId),
  foreignKey({ name: 'accounts_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }).onDelete('cascade'),
];

/** The table `accounts`. */
export const accounts: Table<'accounts', typeof accountsColumns> = pgTable('accounts', accountsColumns, accountsConstraints);

/** The columns of `artist_follows`, for a table that has further ones. */
export const artistFollowsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  artistId: uuid('artist_id').notNull(),
  followerId: uuid('follower_id').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `artist_follows`, for a table that has further ones. */
export const artistFollowsConstraints = (t: Built<typeof artistFollowsColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('artist_follows_artist_follower_idx').on(t.artistId, t.followerId),
  index('artist_follows_artist_id_idx').on(t.artistId),
  index('artist_follows_follower_id_idx').on(t.followerId),
  foreignKey({ name: 'artist_follows_artist_id_artists_id_fk', columns: [t.artistId], foreignColumns: [artists.id] }).onDelete('cascade'),
  foreignKey({ name: 'artist_follows_follower_id_users_id_fk', columns: [t.followerId], foreignColumns: [users.id] }).onDelete('cascade'),
];

/** The table `artist_follows`. */
export const artistFollows: Table<'artist_follows', typeof artistFollowsColumns> = pgTable('artist_follows', artistFollowsColumns, artistFollowsConstraints);

/** The columns of `artist_tokens`, for a table that has further ones. */
export const artistTokensColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  artistId: uuid('artist_id').notNull(),
  /** [ON-CHAIN] EIP-155 chain id, in decimal */
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [ON-CHAIN] Address of the ERC-20 contract, in lower case */
  contractAddress: varchar('contract_address', { length: 255 }).notNull(),
  /** [ON-CHAIN] name() of the contract: what of it is legal, cut to the column, empty where there is none */
  name: varchar('name', { length: 100 }).notNull(),
  /** [ON-CHAIN] symbol() of the contract, treated like its name */
  symbol: varchar('symbol', { length: 20 }).notNull(),
  /** [ON-CHAIN] decimals() of the contract */
  decimals: varchar('decimals', { length: 3 }).default('18').notNull(),
  /** [DERIVED] Mints less burns */
  totalSupply: numeric('total_supply').default('0').notNull(),
  /** [DERIVED] Supply in circulation */
  circulatingSupply: numeric('circulating_supply'),
  /** [ON-CHAIN] Transaction that deployed the contract */
  deploymentTxHash: varchar('deployment_tx_hash', { length: 255 }),
  /** [ON-CHAIN] Block that deployed the contract */
  deployedAtBlock: numeric('deployed_at_block', { precision: 20, scale: 0 }),
  /** [ON-CHAIN] Time of that block */
  deployedAt: timestamp('deployed_at', { withTimezone: true }),
  logoUrl: text('logo_url'),
  description: text('description'),
  isTradable: boolean('is_tradable').default(false).notNull(),
  tradingEnabledAt: timestamp('trading_enabled_at', { withTimezone: true }),
  lastPriceUsd: numeric('last_price_usd', { precision: 28, scale: 18 }),
  marketCapUsd: numeric('market_cap_usd', { precision: 28, scale: 8 }),
  volume24hUsd: numeric('volume_24h_usd', { precision: 28, scale: 8 }),
  priceChange24h: numeric('price_change_24h', { precision: 10, scale: 4 }),
  /** [DERIVED] Wallets with a balance above zero; the zero address is never one */
  holdersCount: numeric('holders_count', { precision: 20, scale: 0 }),
  lastMarketDataUpdate: timestamp('last_market_data_update', { withTimezone: true }),
  lastIndexedBlock: numeric('last_indexed_block', { precision: 20, scale: 0 }),
  lastIndexedAt: timestamp('last_indexed_at', { withTimezone: true }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `artist_tokens`, for a table that has further ones. */
export const artistTokensConstraints = (t: Built<typeof artistTokensColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('artist_tokens_artist_chain_idx').on(t.artistId, t.chainId),
  index('artist_tokens_artist_id_idx').on(t.artistId),
  uniqueIndex('artist_tokens_chain_address_idx').on(t.chainId, t.contractAddress),
  index('artist_tokens_symbol_idx').on(t.symbol),
  index('artist_tokens_tradable_idx').on(t.isTradable),
  foreignKey({ name: 'artist_tokens_artist_id_artists_id_fk', columns: [t.artistId], foreignColumns: [artists.id] }),
];

/** The table `artist_tokens`. */
export const artistTokens: Table<'artist_tokens', typeof artistTokensColumns> = pgTable('artist_tokens', artistTokensColumns, artistTokensConstraints);

/** The columns of `artists`, for a table that has further ones. */
export const artistsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  userId: uuid('user_id').notNull(),
  artistName: varchar('artist_name', { length: 150 }).notNull(),
  slug: varchar('slug', { length: 150 }).notNull(),
  bio: text('bio'),
  shortBio: varchar('short_bio', { length: 280 }),
  genre: varchar('genre', { length: 100 }),
  location: varchar('location', { length: 200 }),
  profileImageUrl: text('profile_image_url'),
  bannerImageUrl: text('banner_image_url'),
  socialLinks: jsonb('social_links'),
  musicPlatforms: jsonb('music_platforms'),
  isVerified: boolean('is_verified').default(false).notNull(),
  verifiedAt: timestamp('verified_at', { withTimezone: true }),
  isActive: boolean('is_active').default(true).notNull(),
  totalMasters: integer('total_masters').default(0).notNull(),
  totalSales: integer('total_sales').default(0).notNull(),
  followerCount: integer('follower_count').default(0).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `artists`, for a table that has further ones. */
export const artistsConstraints = (t: Built<typeof artistsColumns>): PgTableExtraConfigValue[] => [
  index('artists_genre_idx').on(t.genre),
  index('artists_name_idx').on(t.artistName),
  uniqueIndex('artists_slug_idx').on(t.slug),
  uniqueIndex('artists_user_id_idx').on(t.userId),
  index('artists_verified_idx').on(t.isVerified),
  foreignKey({ name: 'artists_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }).onDelete('cascade'),
];

/** The table `artists`. */
export const artists: Table<'artists', typeof artistsColumns> = pgTable('artists', artistsColumns, artistsConstraints);

/** The columns of `audit_logs`, for a table that has further ones. */
export const auditLogsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  userId: uuid('user_id'),
  actorType: varchar('actor_type', { length: 50 }).notNull(),
  actorIdentifier: varchar('actor_identifier', { length: 255 }),
  actionCategory: auditActionCategory('action_category').notNull(),
  action: varchar('action', { length: 100 }).notNull(),
  description: text('description'),
  targetType: varchar('target_type', { length: 50 }),
  targetId: uuid('target_id'),
  targetIdentifier: varchar('target_identifier', { length: 255 }),
  previousState: jsonb('previous_state'),
  newState: jsonb('new_state'),
  changedFields: jsonb('changed_fields'),
  ipAddress: inet('ip_address'),
  userAgent: varchar('user_agent', { length: 500 }),
  requestId: varchar('request_id', { length: 100 }),
  success: boolean('success').default(true).notNull(),
  errorMessage: text('error_message'),
  metadata: jsonb('metadata'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `audit_logs`, for a table that has further ones. */
export const auditLogsConstraints = (t: Built<typeof auditLogsColumns>): PgTableExtraConfigValue[] => [
  index('audit_logs_action_category_idx').on(t.actionCategory),
  index('audit_logs_action_idx').on(t.action),
  index('audit_logs_created_at_idx').on(t.createdAt),
  index('audit_logs_request_id_idx').on(t.requestId),
  index('audit_logs_target_id_idx').on(t.targetId),
  index('audit_logs_target_type_idx').on(t.targetType),
  index('audit_logs_user_id_idx').on(t.userId),
  foreignKey({ name: 'audit_logs_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }),
];

/** The table `audit_logs`. */
export const auditLogs: Table<'audit_logs', typeof auditLogsColumns> = pgTable('audit_logs', auditLogsColumns, auditLogsConstraints);

/** The columns of `dividend_claims`, for a table that has further ones. */
export const dividendClaimsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  /** [ON-CHAIN] Holder who claimed */
  walletAddress: varchar('wallet_address', { length: 255 }).notNull(),
  masterId: uuid('master_id'),
  dividendContractId: uuid('dividend_contract_id').notNull(),
  masterNftId: uuid('master_nft_id'),
  /** [ON-CHAIN] Token that the claim is for */
  tokenId: numeric('token_id', { precision: 78, scale: 0 }),
  /** [ON-CHAIN] Amount, in the smallest unit of its currency */
  amountClaimed: numeric('amount_claimed', { precision: 78, scale: 0 }).notNull(),
  /** [DERIVED] The zero address (native coin), unless the receipt shows one matching ERC-20 payment */
  currency: varchar('currency', { length: 255 }).notNull(),
  /** [ON-CHAIN] Transaction of the log */
  txHash: varchar('tx_hash', { length: 255 }).notNull(),
  /** [ON-CHAIN] Block of the log */
  blockNumber: numeric('block_number', { precision: 20, scale: 0 }).notNull(),
  /** [ON-CHAIN] Hash of that block, which says on which branch this is a fact */
  blockHash: varchar('block_hash', { length: 66 }),
  /** [ON-CHAIN] Place of the log in its block */
  logIndex: bigint('log_index', { mode: 'bigint' }),
  /** [ON-CHAIN] Time of that block */
  blockTimestamp: timestamp('block_timestamp', { withTimezone: true }).notNull(),
  /** [ON-CHAIN] EIP-155 chain id, in decimal */
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [ON-CHAIN] Gas that the claim's transaction used, from its receipt */
  gasUsed: numeric('gas_used', { precision: 20, scale: 0 }),
  /** [ON-CHAIN] Effective gas price of the claim's transaction, from its receipt */
  gasPriceWei: numeric('gas_price_wei', { precision: 78, scale: 0 }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  /** [DERIVED] block_number × 2^32 + log_index, which orders facts */
  position: bigint('position', { mode: 'bigint' }).generatedAlwaysAs(sql`(((block_number * ('4294967296'::bigint)::numeric) + (log_index)::numeric))::bigint`),
};

/** The indexes and foreign keys of `dividend_claims`, for a table that has further ones. */
export const dividendClaimsConstraints = (t: Built<typeof dividendClaimsColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('dividend_claims_block_log_idx').on(t.chainId, t.blockNumber, t.logIndex).where(sql`(block_hash IS NOT NULL)`),
  index('dividend_claims_block_timestamp_idx').on(t.blockTimestamp),
  index('dividend_claims_contract_wallet_idx').on(t.dividendContractId, t.walletAddress),
  index('dividend_claims_master_id_idx').on(t.masterId),
  index('dividend_claims_master_nft_id_idx').on(t.masterNftId).where(sql`(master_nft_id IS NOT NULL)`),
  index('dividend_claims_tx_hash_idx').on(t.txHash),
  index('dividend_claims_unlinked_idx').on(t.dividendContractId, t.tokenId).where(sql`(master_nft_id IS NULL)`),
  index('dividend_claims_wallet_idx').on(t.walletAddress),
  foreignKey({ name: 'dividend_claims_dividend_contract_id_dividend_contracts_id_fk', columns: [t.dividendContractId], foreignColumns: [dividendContracts.id] }),
  foreignKey({ name: 'dividend_claims_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
  foreignKey({ name: 'dividend_claims_master_nft_id_master_nfts_id_fk', columns: [t.masterNftId], foreignColumns: [masterNfts.id] }),
];

/** The table `dividend_claims`. */
export const dividendClaims: Table<'dividend_claims', typeof dividendClaimsColumns> = pgTable('dividend_claims', dividendClaimsColumns, dividendClaimsConstraints);

/** The columns of `dividend_contracts`, for a table that has further ones. */
export const dividendContractsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterId: uuid('master_id'),
  artistId: uuid('artist_id'),
  distributionModel: dividendDistributionModel('distribution_model').notNull(),
  /** [ON-CHAIN] EIP-155 chain id, in decimal */
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [ON-CHAIN] Address of the contract, in lower case */
  contractAddress: varchar('contract_address', { length: 255 }).notNull(),
  /** [ON-CHAIN] Transaction that deployed the contract */
  deploymentTxHash: varchar('deployment_tx_hash', { length: 255 }),
  /** [ON-CHAIN] Block that deployed the contract */
  deployedAtBlock: numeric('deployed_at_block', { precision: 20, scale: 0 }),
  /** [ON-CHAIN] Time of that block */
  deployedAt: timestamp('deployed_at', { withTimezone: true }),
  linkedMasterContract: varchar('linked_master_contract', { length: 255 }),
  /** [DERIVED] Sum of deposits in native coin */
  totalRevenueDeposited: numeric('total_revenue_deposited').default('0'),
  /** [DERIVED] Sum of distributions in native coin */
  totalDividendsDistributed: numeric('total_dividends_distributed').default('0'),
  lastIndexedBlock: numeric('last_indexed_block', { precision: 20, scale: 0 }),
  lastIndexedAt: timestamp('last_indexed_at', { withTimezone: true }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `dividend_contracts`, for a table that has further ones. */
export const dividendContractsConstraints = (t: Built<typeof dividendContractsColumns>): PgTableExtraConfigValue[] => [
  index('dividend_contracts_artist_id_idx').on(t.artistId),
  uniqueIndex('dividend_contracts_chain_address_idx').on(t.chainId, t.contractAddress),
  index('dividend_contracts_master_id_idx').on(t.masterId),
  foreignKey({ name: 'dividend_contracts_artist_id_artists_id_fk', columns: [t.artistId], foreignColumns: [artists.id] }),
  foreignKey({ name: 'dividend_contracts_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
];

/** The table `dividend_contracts`. */
export const dividendContracts: Table<'dividend_contracts', typeof dividendContractsColumns> = pgTable('dividend_contracts', dividendContractsColumns, dividendContractsConstraints);

/** The columns of `dividend_events`, for a table that has further ones. */
export const dividendEventsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterId: uuid('master_id'),
  dividendContractId: uuid('dividend_contract_id').notNull(),
  /** [DERIVED] deposit, distribution or claim, by the name of the event */
  eventType: dividendEventType('event_type').notNull(),
  /** [ON-CHAIN] EIP-155 chain id, in decimal */
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [ON-CHAIN] Contract that emitted the log */
  contractAddress: varchar('contract_address', { length: 255 }).notNull(),
  /** [ON-CHAIN] Transaction of the log */
  txHash: varchar('tx_hash', { length: 255 }).notNull(),
  /** [ON-CHAIN] Block of the log */
  blockNumber: numeric('block_number', { precision: 20, scale: 0 }).notNull(),
  /** [ON-CHAIN] Hash of that block, which says on which branch this is a fact */
  blockHash: varchar('block_hash', { length: 66 }),
  /** [ON-CHAIN] Place of the log in its block */
  logIndex: bigint('log_index', { mode: 'bigint' }).notNull(),
  /** [ON-CHAIN] Time of that block */
  blockTimestamp: timestamp('block_timestamp', { withTimezone: true }).notNull(),
  /** [ON-CHAIN] Amount deposited, distributed or claimed, in the smallest unit of its currency */
  totalAmount: numeric('total_amount', { precision: 78, scale: 0 }).notNull(),
  /** [DERIVED] Token's address; the zero address is the native coin */
  currency: varchar('currency', { length: 255 }).notNull(),
  /** [ON-CHAIN] Holder of a claim */
  claimantWallet: varchar('claimant_wallet', { length: 255 }),
  /** [ON-CHAIN] Token of a claim */
  claimantTokenId: numeric('claimant_token_id', { precision: 78, scale: 0 }),
  /** [DERIVED] Holders at the block and log of a distribution */
  totalHoldersAtDistribution: integer('total_holders_at_distribution'),
  /** [ON-CHAIN] Amount that each token earns in a distribution */
  perTokenAmount: numeric('per_token_amount', { precision: 78, scale: 0 }),
  revenueEventId: uuid('revenue_event_id'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  /** [DERIVED] block_number × 2^32 + log_index, which orders facts */
  position: bigint('position', { mode: 'bigint' }).generatedAlwaysAs(sql`(((block_number * ('4294967296'::bigint)::numeric) + (log_index)::numeric))::bigint`),
  revenueLinkDerived: boolean('revenue_link_derived').default(false).notNull(),
};

/** The indexes and foreign keys of `dividend_events`, for a table that has further ones. */
export const dividendEventsConstraints = (t: Built<typeof dividendEventsColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('dividend_events_block_log_idx').on(t.chainId, t.blockNumber, t.logIndex).where(sql`(block_hash IS NOT NULL)`),
  index('dividend_events_block_number_idx').on(t.blockNumber),
  index('dividend_events_block_timestamp_idx').on(t.blockTimestamp),
  index('dividend_events_claimant_wallet_idx').on(t.claimantWallet),
  index('dividend_events_contract_id_idx').on(t.dividendContractId),
  index('dividend_events_event_type_idx').on(t.eventType),
  index('dividend_events_master_id_idx').on(t.masterId),
  index('dividend_events_revenue_idx').on(t.revenueEventId).where(sql`(revenue_event_id IS NOT NULL)`),
  index('dividend_events_tx_log_idx').on(t.txHash, t.logIndex),
  foreignKey({ name: 'dividend_events_dividend_contract_id_dividend_contracts_id_fk', columns: [t.dividendContractId], foreignColumns: [dividendContracts.id] }),
  foreignKey({ name: 'dividend_events_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
  foreignKey({ name: 'dividend_events_revenue_event_id_revenue_events_id_fk', columns: [t.revenueEventId], foreignColumns: [revenueEvents.id] }),
];

/** The table `dividend_events`. */
export const dividendEvents: Table<'dividend_events', typeof dividendEventsColumns> = pgTable('dividend_events', dividendEventsColumns, dividendEventsConstraints);

/** The columns of `identity_providers`, for a table that has further ones. */
export const identityProvidersColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  name: varchar('name', { length: 100 }).notNull(),
  provider: authProvider('provider').notNull(),
  clientId: varchar('client_id', { length: 255 }),
  clientSecret: text('client_secret'),
  enabled: boolean('enabled').default(true).notNull(),
  configJson: text('config_json'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `identity_providers`, for a table that has further ones. */
export const identityProvidersConstraints = (t: Built<typeof identityProvidersColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('identity_providers_provider_idx').on(t.provider),
];

/** The table `identity_providers`. */
export const identityProviders: Table<'identity_providers', typeof identityProvidersColumns> = pgTable('identity_providers', identityProvidersColumns, identityProvidersConstraints);

/** The columns of `invoices`, for a table that has further ones. */
export const invoicesColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  subscriptionId: uuid('subscription_id'),
  userId: uuid('user_id').notNull(),
  invoiceNumber: varchar('invoice_number', { length: 50 }),
  stripeInvoiceId: varchar('stripe_invoice_id', { length: 100 }),
  stripePaymentIntentId: varchar('stripe_payment_intent_id', { length: 100 }),
  amountDue: numeric('amount_due', { precision: 10, scale: 2 }).notNull(),
  amountPaid: numeric('amount_paid', { precision: 10, scale: 2 }).default('0').notNull(),
  currency: varchar('currency', { length: 3 }).default('usd').notNull(),
  status: invoiceStatus('status').default('open').notNull(),
  periodStart: timestamp('period_start', { withTimezone: true }),
  periodEnd: timestamp('period_end', { withTimezone: true }),
  dueDate: timestamp('due_date', { withTimezone: true }),
  paidAt: timestamp('paid_at', { withTimezone: true }),
  hostedInvoiceUrl: text('hosted_invoice_url'),
  invoicePdfUrl: text('invoice_pdf_url'),
  lineItems: jsonb('line_items'),
  metadata: jsonb('metadata'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `invoices`, for a table that has further ones. */
export const invoicesConstraints = (t: Built<typeof invoicesColumns>): PgTableExtraConfigValue[] => [
  index('invoices_due_date_idx').on(t.dueDate),
  index('invoices_status_idx').on(t.status),
  uniqueIndex('invoices_stripe_invoice_id_idx').on(t.stripeInvoiceId),
  index('invoices_subscription_id_idx').on(t.subscriptionId),
  index('invoices_user_id_idx').on(t.userId),
  foreignKey({ name: 'invoices_subscription_id_subscriptions_id_fk', columns: [t.subscriptionId], foreignColumns: [subscriptions.id] }),
  foreignKey({ name: 'invoices_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }),
];

/** The table `invoices`. */
export const invoices: Table<'invoices', typeof invoicesColumns> = pgTable('invoices', invoicesColumns, invoicesConstraints);

/** The columns of `liquidity_pools`, for a table that has further ones. */
export const liquidityPoolsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  artistTokenId: uuid('artist_token_id').notNull(),
  /** [ON-CHAIN] EIP-155 chain id, in decimal */
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [ON-CHAIN] Address of the pair or pool, in lower case */
  poolAddress: varchar('pool_address', { length: 255 }).notNull(),
  poolType: poolType('pool_type').notNull(),
  /** [ON-CHAIN] token0() of the pool */
  token0Address: varchar('token0_address', { length: 255 }).notNull(),
  /** [ON-CHAIN] token1() of the pool */
  token1Address: varchar('token1_address', { length: 255 }).notNull(),
  /** [ON-CHAIN] symbol() of token0 */
  token0Symbol: varchar('token0_symbol', { length: 20 }),
  /** [ON-CHAIN] symbol() of token1 */
  token1Symbol: varchar('token1_symbol', { length: 20 }),
  /** [ON-CHAIN] Reserve of token0, of the pool's latest Sync; 0 before the first */
  reserve0: numeric('reserve0', { precision: 78, scale: 0 }).default('0'),
  /** [ON-CHAIN] Reserve of token1, of the pool's latest Sync; 0 before the first */
  reserve1: numeric('reserve1', { precision: 78, scale: 0 }).default('0'),
  /** [DERIVED] Position of the Sync that the reserves are of */
  reservePosition: bigint('reserve_position', { mode: 'bigint' }),
  /** [DERIVED] LP tokens minted less burnt */
  lpTotalSupply: numeric('lp_total_supply').default('0').notNull(),
  fee: numeric('fee', { precision: 10, scale: 6 }),
  totalValueLockedUsd: numeric('total_value_locked_usd', { precision: 28, scale: 8 }),
  volume24hUsd: numeric('volume_24h_usd', { precision: 28, scale: 8 }),
  /** [ON-CHAIN] Block that deployed the pool */
  createdAtBlock: numeric('created_at_block', { precision: 20, scale: 0 }),
  /** [ON-CHAIN] Transaction that deployed the pool */
  createdAtTxHash: varchar('created_at_tx_hash', { length: 255 }),
  lastIndexedBlock: numeric('last_indexed_block', { precision: 20, scale: 0 }),
  lastIndexedAt: timestamp('last_indexed_at', { withTimezone: true }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `liquidity_pools`, for a table that has further ones. */
export const liquidityPoolsConstraints = (t: Built<typeof liquidityPoolsColumns>): PgTableExtraConfigValue[] => [
  index('liquidity_pools_artist_token_idx').on(t.artistTokenId),
  uniqueIndex('liquidity_pools_chain_pool_idx').on(t.chainId, t.poolAddress),
  index('liquidity_pools_pool_type_idx').on(t.poolType),
  index('liquidity_pools_tvl_idx').on(t.totalValueLockedUsd),
  foreignKey({ name: 'liquidity_pools_artist_token_id_artist_tokens_id_fk', columns: [t.artistTokenId], foreignColumns: [artistTokens.id] }),
];

/** The table `liquidity_pools`. */
export const liquidityPools: Table<'liquidity_pools', typeof liquidityPoolsColumns> = pgTable('liquidity_pools', liquidityPoolsColumns, liquidityPoolsConstraints);

/** The columns of `master_collaborators`, for a table that has further ones. */
export const masterCollaboratorsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterId: uuid('master_id').notNull(),
  producerId: uuid('producer_id'),
  collaboratorName: varchar('collaborator_name', { length: 150 }),
  role: varchar('role', { length: 100 }).notNull(),
  splitBasisPoints: integer('split_basis_points').default(0).notNull(),
  displayOrder: integer('display_order').default(0).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `master_collaborators`, for a table that has further ones. */
export const masterCollaboratorsConstraints = (t: Built<typeof masterCollaboratorsColumns>): PgTableExtraConfigValue[] => [
  index('master_collaborators_master_id_idx').on(t.masterId),
  index('master_collaborators_producer_id_idx').on(t.producerId),
  foreignKey({ name: 'master_collaborators_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }).onDelete('cascade'),
  foreignKey({ name: 'master_collaborators_producer_id_producers_id_fk', columns: [t.producerId], foreignColumns: [producers.id] }),
];

/** The table `master_collaborators`. */
export const masterCollaborators: Table<'master_collaborators', typeof masterCollaboratorsColumns> = pgTable('master_collaborators', masterCollaboratorsColumns, masterCollaboratorsConstraints);

/** The columns of `master_contracts`, for a table that has further ones. */
export const masterContractsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterId: uuid('master_id').notNull(),
  /** [ON-CHAIN] EIP-155 chain id, in decimal */
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [ON-CHAIN] Address of the ERC-721C contract, in lower case */
  contractAddress: varchar('contract_address', { length: 255 }).notNull(),
  /** [ON-CHAIN] Transaction that deployed the contract */
  deploymentTxHash: varchar('deployment_tx_hash', { length: 255 }),
  /** [ON-CHAIN] Block that deployed the contract */
  deployedAtBlock: numeric('deployed_at_block', { precision: 20, scale: 0 }),
  /** [ON-CHAIN] Time of that block */
  deployedAt: timestamp('deployed_at', { withTimezone: true }),
  contractTotalSupply: bigint('contract_total_supply', { mode: 'bigint' }),
  /** [DERIVED] Distinct tokens minted */
  mintedSupply: bigint('minted_supply', { mode: 'bigint' }).default(bigintDefault(0)).notNull(),
  contractRoyaltyBps: numeric('contract_royalty_bps'),
  /** [DERIVED] Position of that log */
  royaltyPosition: bigint('royalty_position', { mode: 'bigint' }),
  /** [DERIVED] Minter of the first mint by position, ties within a batch by token id */
  firstMinterWallet: varchar('first_minter_wallet', { length: 255 }),
  /** [DERIVED] Minter of the second mint; a wallet may repeat */
  secondMinterWallet: varchar('second_minter_wallet', { length: 255 }),
  /** [DERIVED] Minter of the third mint; a wallet may repeat */
  thirdMinterWallet: varchar('third_minter_wallet', { length: 255 }),
  /** [DERIVED] Position of the third mint: later mints change no minter */
  thirdMintPosition: bigint('third_mint_position', { mode: 'bigint' }),
  abiVersion: varchar('abi_version', { length: 20 }).default('1.0'),
  lastIndexedBlock: numeric('last_indexed_block', { precision: 20, scale: 0 }),
  lastIndexedAt: timestamp('last_indexed_at', { withTimezone: true }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
  /** [DERIVED] Tokens that exist: mints less burns */
  currentSupply: bigint('current_supply', { mode: 'bigint' }).default(bigintDefault(0)).notNull(),
  /** [DERIVED] Fee numerator of the latest DefaultRoyaltySet */
  defaultRoyaltyBps: numeric('default_royalty_bps'),
};

/** The indexes and foreign keys of `master_contracts`, for a table that has further ones. */
export const masterContractsConstraints = (t: Built<typeof masterContractsColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('master_contracts_chain_address_idx').on(t.chainId, t.contractAddress),
  uniqueIndex('master_contracts_master_chain_idx').on(t.masterId, t.chainId),
  index('master_contracts_master_id_idx').on(t.masterId),
  foreignKey({ name: 'master_contracts_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
];

/** The table `master_contracts`. */
export const masterContracts: Table<'master_contracts', typeof masterContractsColumns> = pgTable('master_contracts', masterContractsColumns, masterContractsConstraints);

/** The columns of `master_ipos`, for a table that has further ones. */
export const masterIposColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterId: uuid('master_id').notNull(),
  totalSupply: bigint('total_supply', { mode: 'bigint' }).notNull(),
  /** [DERIVED] Distinct tokens minted, over all chains of the master */
  mintedSupply: bigint('minted_supply', { mode: 'bigint' }).default(bigintDefault(0)).notNull(),
  mintPriceWei: numeric('mint_price_wei', { precision: 78, scale: 0 }),
  mintPriceCurrency: varchar('mint_price_currency', { length: 255 }),
  revenueShareNftHoldersBps: integer('revenue_share_nft_holders_bps').default(5000).notNull(),
  retainedArtistBps: integer('retained_artist_bps').default(4000).notNull(),
  retainedPlatformBps: integer('retained_platform_bps').default(1000).notNull(),
  status: ipoStatus('status').default('draft').notNull(),
  scheduledStartAt: timestamp('scheduled_start_at', { withTimezone: true }),
  scheduledEndAt: timestamp('scheduled_end_at', { withTimezone: true }),
  actualStartAt: timestamp('actual_start_at', { withTimezone: true }),
  actualEndAt: timestamp('actual_end_at', { withTimezone: true }),
  moverAdvantageEnabled: boolean('mover_advantage_enabled').default(true).notNull(),
  firstMinterBonusBps: integer('first_minter_bonus_bps').default(300),
  secondMinterBonusBps: integer('second_minter_bonus_bps').default(200),
  thirdMinterBonusBps: integer('third_minter_bonus_bps').default(100),
  secondaryRoyaltyBps: integer('secondary_royalty_bps').default(1000).notNull(),
  allowSecondaryResale: boolean('allow_secondary_resale').default(true).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `master_ipos`, for a table that has further ones. */
export const masterIposConstraints = (t: Built<typeof masterIposColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('master_ipos_master_id_idx').on(t.masterId),
  index('master_ipos_start_at_idx').on(t.scheduledStartAt),
  index('master_ipos_status_idx').on(t.status),
  foreignKey({ name: 'master_ipos_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
];

/** The table `master_ipos`. */
export const masterIpos: Table<'master_ipos', typeof masterIposColumns> = pgTable('master_ipos', masterIposColumns, masterIposConstraints);

/** The columns of `master_nfts`, for a table that has further ones. */
export const masterNftsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterId: uuid('master_id').notNull(),
  masterContractId: uuid('master_contract_id').notNull(),
  tokenId: numeric('token_id', { precision: 78, scale: 0 }).notNull(),
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  contractAddress: varchar('contract_address', { length: 255 }).notNull(),
  /** [DERIVED] Recipient of the latest transfer; the zero address for a burnt token */
  currentOwnerWallet: varchar('current_owner_wallet', { length: 255 }).notNull(),
  /** [DERIVED] Position of the latest transfer */
  lastPosition: bigint('last_position', { mode: 'bigint' }),
  /** [DERIVED] Whether this token's mint was the contract's first */
  isFirstMinter: boolean('is_first_minter').default(false).notNull(),
  /** [DERIVED] Whether this token's mint was the contract's second */
  isSecondMinter: boolean('is_second_minter').default(false).notNull(),
  /** [DERIVED] Whether this token's mint was the contract's third */
  isThirdMinter: boolean('is_third_minter').default(false).notNull(),
  /** [DERIVED] Recipient of the first mint; the zero address while that is unknown */
  originalMinterWallet: varchar('original_minter_wallet', { length: 255 }).notNull(),
  /** [DERIVED] Transaction of the first mint */
  mintTxHash: varchar('mint_tx_hash', { length: 255 }),
  /** [DERIVED] Block of the first mint */
  mintedAtBlock: numeric('minted_at_block', { precision: 20, scale: 0 }),
  /** [DERIVED] Time of the first mint */
  mintedAt: timestamp('minted_at', { withTimezone: true }),
  /** [DERIVED] Position of the first mint */
  firstMintPosition: bigint('first_mint_position', { mode: 'bigint' }),
  /** [DERIVED] How often the token was minted: a burnt token may be minted again */
  mintCount: bigint('mint_count', { mode: 'bigint' }).default(bigintDefault(0)).notNull(),
  /** [DERIVED] Price of the contract's Minted event beside the first mint */
  mintPriceWei: numeric('mint_price_wei', { precision: 78, scale: 0 }),
  listingStatus: nftListingStatus('listing_status').default('not_listed').notNull(),
  listingPriceWei: numeric('listing_price_wei', { precision: 78, scale: 0 }),
  listingCurrency: varchar('listing_currency', { length: 255 }),
  listedAt: timestamp('listed_at', { withTimezone: true }),
  /** [ON-CHAIN] tokenURI() of the contract, as of the head when it was read; at most 65,536 bytes */
  tokenUri: text('token_uri'),
  /** [DERIVED] Sum of the claims for this token, in native coin */
  totalDividendsReceived: numeric('total_dividends_received').default('0'),
  lastDividendClaimedAt: timestamp('last_dividend_claimed_at', { withTimezone: true }),
  lastIndexedBlock: numeric('last_indexed_block', { precision: 20, scale: 0 }),
  lastIndexedAt: timestamp('last_indexed_at', { withTimezone: true }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
  dividendsBlock: bigint('dividends_block', { mode: 'bigint' }),
};

/** The indexes and foreign keys of `master_nfts`, for a table that has further ones. */
export const masterNftsConstraints = (t: Built<typeof masterNftsColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('master_nfts_chain_contract_token_idx').on(t.chainId, t.contractAddress, t.tokenId),
  index('master_nfts_contract_id_idx').on(t.masterContractId),
  index('master_nfts_dividends_idx').on(t.chainId, t.dividendsBlock).where(sql`(dividends_block IS NOT NULL)`),
  index('master_nfts_listing_status_idx').on(t.listingStatus),
  index('master_nfts_master_id_idx').on(t.masterId),
  index('master_nfts_minted_at_idx').on(t.mintedAt),
  index('master_nfts_movers_idx').on(t.masterContractId).where(sql`(is_first_minter OR is_second_minter OR is_third_minter)`),
  index('master_nfts_original_minter_idx').on(t.originalMinterWallet),
  index('master_nfts_owner_wallet_idx').on(t.currentOwnerWallet),
  index('master_nfts_without_uri_idx').on(t.masterContractId, t.tokenId).where(sql`(token_uri IS NULL)`),
  foreignKey({ name: 'master_nfts_master_contract_id_master_contracts_id_fk', columns: [t.masterContractId], foreignColumns: [masterContracts.id] }),
  foreignKey({ name: 'master_nfts_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
];

/** The table `master_nfts`. */
export const masterNfts: Table<'master_nfts', typeof masterNftsColumns> = pgTable('master_nfts', masterNftsColumns, masterNftsConstraints);

/** The columns of `masters`, for a table that has further ones. */
export const mastersColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  artistId: uuid('artist_id').notNull(),
  title: varchar('title', { length: 255 }).notNull(),
  description: text('description'),
  masterType: masterType('master_type').default('track').notNull(),
  status: masterStatus('status').default('draft').notNull(),
  genre: varchar('genre', { length: 100 }),
  bpm: integer('bpm'),
  duration: integer('duration'),
  releaseDate: timestamp('release_date', { withTimezone: true }),
  isrc: varchar('isrc', { length: 12 }),
  moodTags: jsonb('mood_tags').default(sql`'[]'::jsonb`),
  audioFileName: varchar('audio_file_name', { length: 255 }),
  audioIpfsHash: varchar('audio_ipfs_hash', { length: 100 }),
  coverImageUrl: text('cover_image_url'),
  coverImageIpfsHash: varchar('cover_image_ipfs_hash', { length: 100 }),
  metadataIpfsHash: varchar('metadata_ipfs_hash', { length: 100 }),
  metadata: jsonb('metadata'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
  publishedAt: timestamp('published_at', { withTimezone: true }),
};

/** The indexes and foreign keys of `masters`, for a table that has further ones. */
export const mastersConstraints = (t: Built<typeof mastersColumns>): PgTableExtraConfigValue[] => [
  index('masters_artist_id_idx').on(t.artistId),
  index('masters_created_at_idx').on(t.createdAt),
  index('masters_genre_idx').on(t.genre),
  index('masters_release_date_idx').on(t.releaseDate),
  index('masters_status_idx').on(t.status),
  foreignKey({ name: 'masters_artist_id_artists_id_fk', columns: [t.artistId], foreignColumns: [artists.id] }),
];

/** The table `masters`. */
export const masters: Table<'masters', typeof mastersColumns> = pgTable('masters', mastersColumns, mastersConstraints);

/** The columns of `nft_ownership_snapshots`, for a table that has further ones. */
export const nftOwnershipSnapshotsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterId: uuid('master_id').notNull(),
  tokenId: numeric('token_id', { precision: 78, scale: 0 }).notNull(),
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  contractAddress: varchar('contract_address', { length: 255 }).notNull(),
  /** [DERIVED] Owner after all facts up to the snapshot's block and log */
  ownerWallet: varchar('owner_wallet', { length: 255 }).notNull(),
  /** [DERIVED] Time of that block */
  snapshotTimestamp: timestamp('snapshot_timestamp', { withTimezone: true }).notNull(),
  /** [DERIVED] Block that the snapshot is of */
  snapshotBlockNumber: numeric('snapshot_block_number', { precision: 20, scale: 0 }),
  /** [DERIVED] Log in that block that the snapshot is of */
  snapshotLogIndex: bigint('snapshot_log_index', { mode: 'bigint' }),
  snapshotReason: varchar('snapshot_reason', { length: 50 }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `nft_ownership_snapshots`, for a table that has further ones. */
export const nftOwnershipSnapshotsConstraints = (t: Built<typeof nftOwnershipSnapshotsColumns>): PgTableExtraConfigValue[] => [
  index('nft_snapshots_master_token_time_idx').on(t.masterId, t.tokenId, t.snapshotTimestamp),
  index('nft_snapshots_owner_wallet_idx').on(t.ownerWallet),
  uniqueIndex('nft_snapshots_position_token_idx').on(t.chainId, t.contractAddress, t.snapshotBlockNumber, t.snapshotLogIndex, t.snapshotReason, t.tokenId),
  index('nft_snapshots_reason_idx').on(t.snapshotReason),
  index('nft_snapshots_timestamp_idx').on(t.snapshotTimestamp),
  foreignKey({ name: 'nft_ownership_snapshots_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
];

/** The table `nft_ownership_snapshots`. */
export const nftOwnershipSnapshots: Table<'nft_ownership_snapshots', typeof nftOwnershipSnapshotsColumns> = pgTable('nft_ownership_snapshots', nftOwnershipSnapshotsColumns, nftOwnershipSnapshotsConstraints);

/** The columns of `nft_transfers`, for a table that has further ones. */
export const nftTransfersColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterNftId: uuid('master_nft_id').notNull(),
  masterId: uuid('master_id').notNull(),
  /** [ON-CHAIN] Token that moved */
  tokenId: numeric('token_id', { precision: 78, scale: 0 }).notNull(),
  /** [ON-CHAIN] EIP-155 chain id, in decimal */
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [ON-CHAIN] Contract that emitted the log */
  contractAddress: varchar('contract_address', { length: 255 }).notNull(),
  /** [ON-CHAIN] Sender; the zero address for a mint */
  fromWallet: varchar('from_wallet', { length: 255 }).notNull(),
  /** [ON-CHAIN] Recipient; the zero address for a burn */
  toWallet: varchar('to_wallet', { length: 255 }).notNull(),
  /** [ON-CHAIN] Transaction of the log */
  txHash: varchar('tx_hash', { length: 255 }).notNull(),
  /** [ON-CHAIN] Block of the log */
  blockNumber: numeric('block_number', { precision: 20, scale: 0 }).notNull(),
  /** [ON-CHAIN] Hash of that block, which says on which branch this is a fact */
  blockHash: varchar('block_hash', { length: 66 }),
  /** [ON-CHAIN] Place of the log in its block */
  logIndex: bigint('log_index', { mode: 'bigint' }).notNull(),
  /** [ON-CHAIN] Time of that block */
  blockTimestamp: timestamp('block_timestamp', { withTimezone: true }).notNull(),
  /** [DERIVED] mint from the zero address, burn to it, otherwise transfer or sale */
  transferType: transferType('transfer_type').notNull(),
  /** [DERIVED] For a mint the price of the contract's Minted event of the same transaction and token */
  salePriceWei: numeric('sale_price_wei', { precision: 78, scale: 0 }),
  /** [DERIVED] Token that the price was paid in; the zero address is the native coin */
  saleCurrency: varchar('sale_currency', { length: 255 }),
  marketplace: varchar('marketplace', { length: 100 }),
  royaltyPaidWei: numeric('royalty_paid_wei', { precision: 78, scale: 0 }),
  royaltyRecipient: varchar('royalty_recipient', { length: 255 }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  /** [DERIVED] block_number × 2^32 + log_index, which orders facts */
  position: bigint('position', { mode: 'bigint' }).generatedAlwaysAs(sql`(((block_number * ('4294967296'::bigint)::numeric) + (log_index)::numeric))::bigint`),
};

/** The indexes and foreign keys of `nft_transfers`, for a table that has further ones. */
export const nftTransfersConstraints = (t: Built<typeof nftTransfersColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('nft_transfers_block_log_idx').on(t.chainId, t.blockNumber, t.logIndex, t.tokenId).where(sql`(block_hash IS NOT NULL)`),
  index('nft_transfers_block_number_idx').on(t.blockNumber),
  index('nft_transfers_block_timestamp_idx').on(t.blockTimestamp),
  index('nft_transfers_from_wallet_idx').on(t.fromWallet),
  index('nft_transfers_marketplace_idx').on(t.marketplace),
  index('nft_transfers_master_id_idx').on(t.masterId),
  index('nft_transfers_master_nft_id_idx').on(t.masterNftId),
  index('nft_transfers_mints_idx').on(t.chainId, t.contractAddress, t.position, t.tokenId).where(sql`(transfer_type = 'mint'::transfer_type)`),
  index('nft_transfers_to_wallet_idx').on(t.toWallet),
  index('nft_transfers_transfer_type_idx').on(t.transferType),
  index('nft_transfers_tx_log_idx').on(t.txHash, t.logIndex),
  foreignKey({ name: 'nft_transfers_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
  foreignKey({ name: 'nft_transfers_master_nft_id_master_nfts_id_fk', columns: [t.masterNftId], foreignColumns: [masterNfts.id] }),
];

/** The table `nft_transfers`. */
export const nftTransfers: Table<'nft_transfers', typeof nftTransfersColumns> = pgTable('nft_transfers', nftTransfersColumns, nftTransfersConstraints);

/** The columns of `payment_methods`, for a table that has further ones. */
export const paymentMethodsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  userId: uuid('user_id').notNull(),
  stripePaymentMethodId: varchar('stripe_payment_method_id', { length: 100 }),
  paymentMethodType: varchar('payment_method_type', { length: 50 }).notNull(),
  displayName: varchar('display_name', { length: 100 }),
  brand: varchar('brand', { length: 50 }),
  last4: varchar('last4', { length: 4 }),
  expiryMonth: integer('expiry_month'),
  expiryYear: integer('expiry_year'),
  isDefault: boolean('is_default').default(false).notNull(),
  isExpired: boolean('is_expired').default(false).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `payment_methods`, for a table that has further ones. */
export const paymentMethodsConstraints = (t: Built<typeof paymentMethodsColumns>): PgTableExtraConfigValue[] => [
  index('payment_methods_default_idx').on(t.isDefault),
  uniqueIndex('payment_methods_stripe_pm_id_idx').on(t.stripePaymentMethodId),
  index('payment_methods_user_id_idx').on(t.userId),
  foreignKey({ name: 'payment_methods_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }),
];

/** The table `payment_methods`. */
export const paymentMethods: Table<'payment_methods', typeof paymentMethodsColumns> = pgTable('payment_methods', paymentMethodsColumns, paymentMethodsConstraints);

/** The columns of `payment_providers`, for a table that has further ones. */
export const paymentProvidersColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  name: varchar('name', { length: 100 }).notNull(),
  providerType: paymentProviderType('provider_type').notNull(),
  isEnabled: boolean('is_enabled').default(false).notNull(),
  isDefault: boolean('is_default').default(false).notNull(),
  supportedCurrencies: jsonb('supported_currencies'),
  supportedRegions: jsonb('supported_regions'),
  webhookEndpoint: text('webhook_endpoint'),
  webhookSecret: text('webhook_secret'),
  configJson: text('config_json'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `payment_providers`, for a table that has further ones. */
export const paymentProvidersConstraints = (t: Built<typeof paymentProvidersColumns>): PgTableExtraConfigValue[] => [
  index('payment_providers_enabled_idx').on(t.isEnabled),
  uniqueIndex('payment_providers_type_idx').on(t.providerType),
];

/** The table `payment_providers`. */
export const paymentProviders: Table<'payment_providers', typeof paymentProvidersColumns> = pgTable('payment_providers', paymentProvidersColumns, paymentProvidersConstraints);

/** The columns of `pool_events`, for a table that has further ones. */
export const poolEventsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  liquidityPoolId: uuid('liquidity_pool_id').notNull(),
  artistTokenId: uuid('artist_token_id').notNull(),
  /** [DERIVED] add_liquidity, remove_liquidity or swap, by the name of the event */
  eventType: poolEventType('event_type').notNull(),
  /** [ON-CHAIN] EIP-155 chain id, in decimal */
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [ON-CHAIN] Pool that emitted the log */
  poolAddress: varchar('pool_address', { length: 255 }).notNull(),
  /** [ON-CHAIN] Transaction of the log */
  txHash: varchar('tx_hash', { length: 255 }).notNull(),
  /** [ON-CHAIN] Block of the log */
  blockNumber: numeric('block_number', { precision: 20, scale: 0 }).notNull(),
  /** [ON-CHAIN] Hash of that block, which says on which branch this is a fact */
  blockHash: varchar('block_hash', { length: 66 }),
  /** [ON-CHAIN] Place of the log in its block */
  logIndex: bigint('log_index', { mode: 'bigint' }),
  /** [ON-CHAIN] Time of that block */
  blockTimestamp: timestamp('block_timestamp', { withTimezone: true }).notNull(),
  /** [DERIVED] Amount of token0; of a swap signed as the pool sees it, positive in */
  amount0: numeric('amount0', { precision: 78, scale: 0 }),
  /** [DERIVED] Amount of token1; of a swap signed as the pool sees it, positive in */
  amount1: numeric('amount1', { precision: 78, scale: 0 }),
  amountUsd: numeric('amount_usd', { precision: 28, scale: 8 }),
  /** [ON-CHAIN] Caller of the pool, as the log names it */
  sender: varchar('sender', { length: 255 }),
  /** [ON-CHAIN] Who received what the pool paid out */
  recipient: varchar('recipient', { length: 255 }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  /** [DERIVED] block_number × 2^32 + log_index, which orders facts */
  position: bigint('position', { mode: 'bigint' }).generatedAlwaysAs(sql`(((block_number * ('4294967296'::bigint)::numeric) + (log_index)::numeric))::bigint`),
};

/** The indexes and foreign keys of `pool_events`, for a table that has further ones. */
export const poolEventsConstraints = (t: Built<typeof poolEventsColumns>): PgTableExtraConfigValue[] => [
  index('pool_events_artist_token_idx').on(t.artistTokenId),
  uniqueIndex('pool_events_block_log_idx').on(t.chainId, t.blockNumber, t.logIndex).where(sql`(block_hash IS NOT NULL)`),
  index('pool_events_block_timestamp_idx').on(t.blockTimestamp),
  index('pool_events_event_type_idx').on(t.eventType),
  index('pool_events_pool_id_idx').on(t.liquidityPoolId),
  index('pool_events_tx_idx').on(t.txHash),
  foreignKey({ name: 'pool_events_artist_token_id_artist_tokens_id_fk', columns: [t.artistTokenId], foreignColumns: [artistTokens.id] }),
  foreignKey({ name: 'pool_events_liquidity_pool_id_liquidity_pools_id_fk', columns: [t.liquidityPoolId], foreignColumns: [liquidityPools.id] }),
];

/** The table `pool_events`. */
export const poolEvents: Table<'pool_events', typeof poolEventsColumns> = pgTable('pool_events', poolEventsColumns, poolEventsConstraints);

/** The columns of `pool_positions`, for a table that has further ones. */
export const poolPositionsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  liquidityPoolId: uuid('liquidity_pool_id').notNull(),
  /** [DERIVED] Owner of the liquidity */
  walletAddress: varchar('wallet_address', { length: 255 }).notNull(),
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [DERIVED] Lower tick of a V3 range; null in a V2 pool */
  tickLower: integer('tick_lower'),
  /** [DERIVED] Upper tick of a V3 range; null in a V2 pool */
  tickUpper: integer('tick_upper'),
  /** [DERIVED] LP tokens (V2) or liquidity (V3): what came in less what went out */
  lpTokenBalance: numeric('lp_token_balance').notNull(),
  /** [DERIVED] Share of token0 */
  token0Amount: numeric('token0_amount'),
  /** [DERIVED] Share of token1 */
  token1Amount: numeric('token1_amount'),
  positionValueUsd: numeric('position_value_usd', { precision: 28, scale: 8 }),
  /** [DERIVED] Position of the first log that names the wallet */
  firstPosition: bigint('first_position', { mode: 'bigint' }),
  /** [DERIVED] Time of the first incoming LP transfer of more than 0 */
  enteredAt: timestamp('entered_at', { withTimezone: true }),
  /** [DERIVED] Transaction of that transfer */
  entryTxHash: varchar('entry_tx_hash', { length: 255 }),
  /** [DERIVED] Position of that transfer */
  entryPosition: bigint('entry_position', { mode: 'bigint' }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `pool_positions`, for a table that has further ones. */
export const poolPositionsConstraints = (t: Built<typeof poolPositionsColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('pool_positions_pool_wallet_idx').on(t.liquidityPoolId, t.walletAddress, t.tickLower, t.tickUpper),
  index('pool_positions_value_idx').on(t.positionValueUsd),
  index('pool_positions_wallet_idx').on(t.walletAddress),
  foreignKey({ name: 'pool_positions_liquidity_pool_id_liquidity_pools_id_fk', columns: [t.liquidityPoolId], foreignColumns: [liquidityPools.id] }),
];

/** The table `pool_positions`. */
export const poolPositions: Table<'pool_positions', typeof poolPositionsColumns> = pgTable('pool_positions', poolPositionsColumns, poolPositionsConstraints);

/** The columns of `producers`, for a table that has further ones. */
export const producersColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  userId: uuid('user_id').notNull(),
  producerName: varchar('producer_name', { length: 150 }).notNull(),
  slug: varchar('slug', { length: 150 }).notNull(),
  bio: text('bio'),
  specialty: varchar('specialty', { length: 200 }),
  profileImageUrl: text('profile_image_url'),
  socialLinks: jsonb('social_links'),
  isVerified: boolean('is_verified').default(false).notNull(),
  verifiedAt: timestamp('verified_at', { withTimezone: true }),
  isActive: boolean('is_active').default(true).notNull(),
  totalCredits: integer('total_credits').default(0).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `producers`, for a table that has further ones. */
export const producersConstraints = (t: Built<typeof producersColumns>): PgTableExtraConfigValue[] => [
  index('producers_name_idx').on(t.producerName),
  uniqueIndex('producers_slug_idx').on(t.slug),
  uniqueIndex('producers_user_id_idx').on(t.userId),
  foreignKey({ name: 'producers_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }).onDelete('cascade'),
];

/** The table `producers`. */
export const producers: Table<'producers', typeof producersColumns> = pgTable('producers', producersColumns, producersConstraints);

/** The columns of `rate_limits`, for a table that has further ones. */
export const rateLimitsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  identifier: varchar('identifier', { length: 255 }).notNull(),
  identifierType: varchar('identifier_type', { length: 50 }).notNull(),
  action: varchar('action', { length: 100 }).notNull(),
  windowStart: timestamp('window_start', { withTimezone: true }).notNull(),
  windowEnd: timestamp('window_end', { withTimezone: true }).notNull(),
  requestCount: integer('request_count').default(0).notNull(),
  rateLimit: integer('rate_limit').notNull(),
  isBlocked: boolean('is_blocked').default(false).notNull(),
  blockedUntil: timestamp('blocked_until', { withTimezone: true }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `rate_limits`, for a table that has further ones. */
export const rateLimitsConstraints = (t: Built<typeof rateLimitsColumns>): PgTableExtraConfigValue[] => [
  index('rate_limits_blocked_idx').on(t.isBlocked),
  index('rate_limits_identifier_action_idx').on(t.identifier, t.action),
  index('rate_limits_window_end_idx').on(t.windowEnd),
];

/** The table `rate_limits`. */
export const rateLimits: Table<'rate_limits', typeof rateLimitsColumns> = pgTable('rate_limits', rateLimitsColumns, rateLimitsConstraints);

/** The columns of `revenue_events`, for a table that has further ones. */
export const revenueEventsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterId: uuid('master_id').notNull(),
  sourceType: revenueSourceType('source_type').notNull(),
  sourceName: varchar('source_name', { length: 200 }),
  externalReference: varchar('external_reference', { length: 255 }),
  amount: numeric('amount', { precision: 28, scale: 8 }).notNull(),
  currency: varchar('currency', { length: 10 }).notNull(),
  amountUsd: numeric('amount_usd', { precision: 28, scale: 8 }),
  periodStart: timestamp('period_start', { withTimezone: true }),
  periodEnd: timestamp('period_end', { withTimezone: true }),
  status: revenueEventStatus('status').default('pending').notNull(),
  verifiedAt: timestamp('verified_at', { withTimezone: true }),
  verifiedBy: uuid('verified_by'),
  depositedToContractId: uuid('deposited_to_contract_id'),
  depositTxHash: varchar('deposit_tx_hash', { length: 255 }),
  depositedAt: timestamp('deposited_at', { withTimezone: true }),
  documentUrl: text('document_url'),
  notes: text('notes'),
  metadata: jsonb('metadata'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `revenue_events`, for a table that has further ones. */
export const revenueEventsConstraints = (t: Built<typeof revenueEventsColumns>): PgTableExtraConfigValue[] => [
  index('revenue_events_created_at_idx').on(t.createdAt),
  index('revenue_events_deposit_tx_idx').on(sql`lower((deposit_tx_hash)::text)`).where(sql`(deposit_tx_hash IS NOT NULL)`),
  index('revenue_events_master_id_idx').on(t.masterId),
  index('revenue_events_period_start_idx').on(t.periodStart),
  index('revenue_events_source_type_idx').on(t.sourceType),
  index('revenue_events_status_idx').on(t.status),
  foreignKey({ name: 'revenue_events_deposited_to_contract_id_dividend_contracts_id_f', columns: [t.depositedToContractId], foreignColumns: [dividendContracts.id] }),
  foreignKey({ name: 'revenue_events_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
];

/** The table `revenue_events`. */
export const revenueEvents: Table<'revenue_events', typeof revenueEventsColumns> = pgTable('revenue_events', revenueEventsColumns, revenueEventsConstraints);

/** The columns of `roles`, for a table that has further ones. */
export const rolesColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  name: userRole('name').notNull(),
  description: text('description'),
  permissions: text('permissions'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `roles`, for a table that has further ones. */
export const rolesConstraints = (t: Built<typeof rolesColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('roles_name_idx').on(t.name),
];

/** The table `roles`. */
export const roles: Table<'roles', typeof rolesColumns> = pgTable('roles', rolesColumns, rolesConstraints);

/** The columns of `security_events`, for a table that has further ones. */
export const securityEventsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  eventType: securityEventType('event_type').notNull(),
  severity: securitySeverity('severity').notNull(),
  userId: uuid('user_id'),
  walletAddress: varchar('wallet_address', { length: 255 }),
  title: varchar('title', { length: 200 }).notNull(),
  description: text('description'),
  ipAddress: inet('ip_address'),
  userAgent: varchar('user_agent', { length: 500 }),
  requestPath: varchar('request_path', { length: 500 }),
  requestMethod: varchar('request_method', { length: 10 }),
  eventData: jsonb('event_data'),
  isInvestigated: boolean('is_investigated').default(false).notNull(),
  investigatedBy: uuid('investigated_by'),
  investigatedAt: timestamp('investigated_at', { withTimezone: true }),
  investigationNotes: text('investigation_notes'),
  isResolved: boolean('is_resolved').default(false).notNull(),
  resolution: varchar('resolution', { length: 100 }),
  resolvedAt: timestamp('resolved_at', { withTimezone: true }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `security_events`, for a table that has further ones. */
export const securityEventsConstraints = (t: Built<typeof securityEventsColumns>): PgTableExtraConfigValue[] => [
  index('security_events_created_at_idx').on(t.createdAt),
  index('security_events_event_type_idx').on(t.eventType),
  index('security_events_investigated_idx').on(t.isInvestigated),
  index('security_events_ip_address_idx').on(t.ipAddress),
  index('security_events_severity_idx').on(t.severity),
  index('security_events_user_id_idx').on(t.userId),
  foreignKey({ name: 'security_events_investigated_by_users_id_fk', columns: [t.investigatedBy], foreignColumns: [users.id] }),
  foreignKey({ name: 'security_events_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }),
];

/** The table `security_events`. */
export const securityEvents: Table<'security_events', typeof securityEventsColumns> = pgTable('security_events', securityEventsColumns, securityEventsConstraints);

/** The columns of `subscription_plans`, for a table that has further ones. */
export const subscriptionPlansColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  name: varchar('name', { length: 100 }).notNull(),
  slug: varchar('slug', { length: 50 }).notNull(),
  description: text('description'),
  priceUsd: numeric('price_usd', { precision: 10, scale: 2 }).notNull(),
  interval: planInterval('interval').notNull(),
  stripePriceId: varchar('stripe_price_id', { length: 100 }),
  stripeProductId: varchar('stripe_product_id', { length: 100 }),
  maxMasters: integer('max_masters'),
  maxIposPerMonth: integer('max_ipos_per_month'),
  vstudioSessionsIncluded: integer('vstudio_sessions_included'),
  features: jsonb('features'),
  featureList: jsonb('feature_list'),
  isActive: boolean('is_active').default(true).notNull(),
  isPublic: boolean('is_public').default(true).notNull(),
  displayOrder: integer('display_order').default(0).notNull(),
  trialDays: integer('trial_days').default(0),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `subscription_plans`, for a table that has further ones. */
export const subscriptionPlansConstraints = (t: Built<typeof subscriptionPlansColumns>): PgTableExtraConfigValue[] => [
  index('subscription_plans_active_idx').on(t.isActive),
  index('subscription_plans_order_idx').on(t.displayOrder),
  uniqueIndex('subscription_plans_slug_idx').on(t.slug),
];

/** The table `subscription_plans`. */
export const subscriptionPlans: Table<'subscription_plans', typeof subscriptionPlansColumns> = pgTable('subscription_plans', subscriptionPlansColumns, subscriptionPlansConstraints);

/** The columns of `subscriptions`, for a table that has further ones. */
export const subscriptionsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  userId: uuid('user_id').notNull(),
  planId: uuid('plan_id').notNull(),
  status: subscriptionStatus('status').default('active').notNull(),
  currentPeriodStart: timestamp('current_period_start', { withTimezone: true }).notNull(),
  currentPeriodEnd: timestamp('current_period_end', { withTimezone: true }).notNull(),
  trialStart: timestamp('trial_start', { withTimezone: true }),
  trialEnd: timestamp('trial_end', { withTimezone: true }),
  cancelAtPeriodEnd: boolean('cancel_at_period_end').default(false).notNull(),
  canceledAt: timestamp('canceled_at', { withTimezone: true }),
  cancellationReason: text('cancellation_reason'),
  stripeSubscriptionId: varchar('stripe_subscription_id', { length: 100 }),
  stripeCustomerId: varchar('stripe_customer_id', { length: 100 }),
  defaultPaymentMethodId: varchar('default_payment_method_id', { length: 100 }),
  metadata: jsonb('metadata'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `subscriptions`, for a table that has further ones. */
export const subscriptionsConstraints = (t: Built<typeof subscriptionsColumns>): PgTableExtraConfigValue[] => [
  index('subscriptions_period_end_idx').on(t.currentPeriodEnd),
  index('subscriptions_plan_id_idx').on(t.planId),
  index('subscriptions_status_idx').on(t.status),
  index('subscriptions_stripe_customer_idx').on(t.stripeCustomerId),
  index('subscriptions_stripe_sub_id_idx').on(t.stripeSubscriptionId),
  index('subscriptions_user_id_idx').on(t.userId),
  foreignKey({ name: 'subscriptions_plan_id_subscription_plans_id_fk', columns: [t.planId], foreignColumns: [subscriptionPlans.id] }),
  foreignKey({ name: 'subscriptions_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }),
];

/** The table `subscriptions`. */
export const subscriptions: Table<'subscriptions', typeof subscriptionsColumns> = pgTable('subscriptions', subscriptionsColumns, subscriptionsConstraints);

/** The columns of `system_events`, for a table that has further ones. */
export const systemEventsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  eventType: varchar('event_type', { length: 100 }).notNull(),
  source: varchar('source', { length: 100 }).notNull(),
  message: text('message'),
  jobId: varchar('job_id', { length: 100 }),
  entityType: varchar('entity_type', { length: 50 }),
  entityId: uuid('entity_id'),
  durationMs: integer('duration_ms'),
  recordsProcessed: integer('records_processed'),
  success: boolean('success').default(true).notNull(),
  errorMessage: text('error_message'),
  errorStack: text('error_stack'),
  metadata: jsonb('metadata'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `system_events`, for a table that has further ones. */
export const systemEventsConstraints = (t: Built<typeof systemEventsColumns>): PgTableExtraConfigValue[] => [
  index('system_events_created_at_idx').on(t.createdAt),
  index('system_events_event_type_idx').on(t.eventType),
  index('system_events_job_id_idx').on(t.jobId),
  index('system_events_source_idx').on(t.source),
  index('system_events_success_idx').on(t.success),
];

/** The table `system_events`. */
export const systemEvents: Table<'system_events', typeof systemEventsColumns> = pgTable('system_events', systemEventsColumns, systemEventsConstraints);

/** The columns of `token_holders`, for a table that has further ones. */
export const tokenHoldersColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  artistTokenId: uuid('artist_token_id').notNull(),
  /** [DERIVED] Wallet that a transfer named */
  walletAddress: varchar('wallet_address', { length: 255 }).notNull(),
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [DERIVED] What came in less what went out; negative only while history has gaps */
  balance: numeric('balance').default('0').notNull(),
  /** [DERIVED] Position of the first transfer that names the wallet */
  firstPosition: bigint('first_position', { mode: 'bigint' }),
  /** [DERIVED] Time of the first incoming transfer of more than 0 */
  firstAcquiredAt: timestamp('first_acquired_at', { withTimezone: true }),
  /** [DERIVED] Transaction of that transfer */
  firstAcquiredTxHash: varchar('first_acquired_tx_hash', { length: 255 }),
  /** [DERIVED] Position of that transfer */
  firstAcquiredPosition: bigint('first_acquired_position', { mode: 'bigint' }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `token_holders`, for a table that has further ones. */
export const tokenHoldersConstraints = (t: Built<typeof tokenHoldersColumns>): PgTableExtraConfigValue[] => [
  index('token_holders_balance_idx').on(t.balance),
  uniqueIndex('token_holders_token_wallet_idx').on(t.artistTokenId, t.walletAddress),
  index('token_holders_wallet_idx').on(t.walletAddress),
  foreignKey({ name: 'token_holders_artist_token_id_artist_tokens_id_fk', columns: [t.artistTokenId], foreignColumns: [artistTokens.id] }),
];

/** The table `token_holders`. */
export const tokenHolders: Table<'token_holders', typeof tokenHoldersColumns> = pgTable('token_holders', tokenHoldersColumns, tokenHoldersConstraints);

/** The columns of `token_transfers`, for a table that has further ones. */
export const tokenTransfersColumns = {
  id: uuid('id').primaryKey(),
  artistTokenId: uuid('artist_token_id').notNull(),
  /** [ON-CHAIN] EIP-155 chain id, in decimal */
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [ON-CHAIN] Contract that emitted the log */
  contractAddress: varchar('contract_address', { length: 255 }).notNull(),
  /** [ON-CHAIN] Sender; the zero address for a mint */
  fromWallet: varchar('from_wallet', { length: 255 }).notNull(),
  /** [ON-CHAIN] Recipient; the zero address for a burn */
  toWallet: varchar('to_wallet', { length: 255 }).notNull(),
  /** [ON-CHAIN] Amount, in the smallest unit of the token */
  value: numeric('value', { precision: 78, scale: 0 }).notNull(),
  /** [ON-CHAIN] Transaction of the log */
  txHash: varchar('tx_hash', { length: 255 }).notNull(),
  /** [ON-CHAIN] Block of the log */
  blockNumber: numeric('block_number', { precision: 20, scale: 0 }).notNull(),
  /** [ON-CHAIN] Hash of that block, which says on which branch this is a fact */
  blockHash: varchar('block_hash', { length: 66 }).notNull(),
  /** [ON-CHAIN] Place of the log in its block */
  logIndex: bigint('log_index', { mode: 'bigint' }).notNull(),
  /** [ON-CHAIN] Time of that block */
  blockTimestamp: timestamp('block_timestamp', { withTimezone: true }).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  /** [DERIVED] block_number × 2^32 + log_index, which orders facts */
  position: bigint('position', { mode: 'bigint' }).generatedAlwaysAs(sql`(((block_number * ('4294967296'::bigint)::numeric) + (log_index)::numeric))::bigint`),
};

/** The indexes and foreign keys of `token_transfers`, for a table that has further ones. */
export const tokenTransfersConstraints = (t: Built<typeof tokenTransfersColumns>): PgTableExtraConfigValue[] => [
  index('token_transfers_artist_token_id_idx').on(t.artistTokenId),
  uniqueIndex('token_transfers_block_log_idx').on(t.chainId, t.blockNumber, t.logIndex),
  index('token_transfers_from_wallet_idx').on(t.fromWallet),
  index('token_transfers_to_wallet_idx').on(t.toWallet),
];

/** The table `token_transfers`. */
export const tokenTransfers: Table<'token_transfers', typeof tokenTransfersColumns> = pgTable('token_transfers', tokenTransfersColumns, tokenTransfersConstraints);

/** The columns of `user_roles`, for a table that has further ones. */
export const userRolesColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  userId: uuid('user_id').notNull(),
  roleId: uuid('role_id').notNull(),
  assignedBy: uuid('assigned_by'),
  assignedAt: timestamp('assigned_at', { withTimezone: true }).defaultNow().notNull(),
  expiresAt: timestamp('expires_at', { withTimezone: true }),
};

/** The indexes and foreign keys of `user_roles`, for a table that has further ones. */
export const userRolesConstraints = (t: Built<typeof userRolesColumns>): PgTableExtraConfigValue[] => [
  index('user_roles_role_id_idx').on(t.roleId),
  index('user_roles_user_id_idx').on(t.userId),
  uniqueIndex('user_roles_user_role_idx').on(t.userId, t.roleId),
  foreignKey({ name: 'user_roles_assigned_by_users_id_fk', columns: [t.assignedBy], foreignColumns: [users.id] }),
  foreignKey({ name: 'user_roles_role_id_roles_id_fk', columns: [t.roleId], foreignColumns: [roles.id] }).onDelete('cascade'),
  foreignKey({ name: 'user_roles_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }).onDelete('cascade'),
];

/** The table `user_roles`. */
export const userRoles: Table<'user_roles', typeof userRolesColumns> = pgTable('user_roles', userRolesColumns, userRolesConstraints);

/** The columns of `user_wallets`, for a table that has further ones. */
export const userWalletsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  userId: uuid('user_id').notNull(),
  walletAddress: varchar('wallet_address', { length: 255 }).notNull(),
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  isPrimary: boolean('is_primary').default(false).notNull(),
  verified: boolean('verified').default(false).notNull(),
  verifiedAt: timestamp('verified_at', { withTimezone: true }),
  label: varchar('label', { length: 100 }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `user_wallets`, for a table that has further ones. */
export const userWalletsConstraints = (t: Built<typeof userWalletsColumns>): PgTableExtraConfigValue[] => [
  uniqueIndex('user_wallets_address_chain_idx').on(t.walletAddress, t.chainId),
  index('user_wallets_address_idx').on(t.walletAddress),
  index('user_wallets_user_id_idx').on(t.userId),
  foreignKey({ name: 'user_wallets_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }).onDelete('cascade'),
];

/** The table `user_wallets`. */
export const userWallets: Table<'user_wallets', typeof userWalletsColumns> = pgTable('user_wallets', userWalletsColumns, userWalletsConstraints);

/** The columns of `users`, for a table that has further ones. */
export const usersColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  email: varchar('email', { length: 255 }).notNull(),
  displayName: varchar('display_name', { length: 100 }).notNull(),
  avatarUrl: text('avatar_url'),
  bio: text('bio'),
  status: accountStatus('status').default('active').notNull(),
  emailVerified: boolean('email_verified').default(false).notNull(),
  twoFactorEnabled: boolean('two_factor_enabled').default(false).notNull(),
  twoFactorSecret: varchar('two_factor_secret', { length: 255 }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
  lastLoginAt: timestamp('last_login_at', { withTimezone: true }),
  deletedAt: timestamp('deleted_at', { withTimezone: true }),
};

/** The indexes and foreign keys of `users`, for a table that has further ones. */
export const usersConstraints = (t: Built<typeof usersColumns>): PgTableExtraConfigValue[] => [
  index('users_created_at_idx').on(t.createdAt),
  uniqueIndex('users_email_idx').on(t.email),
  index('users_status_idx').on(t.status),
];

/** The table `users`. */
export const users: Table<'users', typeof usersColumns> = pgTable('users', usersColumns, usersConstraints);

/** The columns of `vstudio_chat_messages`, for a table that has further ones. */
export const vstudioChatMessagesColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  vstudioSessionId: uuid('vstudio_session_id').notNull(),
  userId: uuid('user_id'),
  message: text('message').notNull(),
  isModerated: boolean('is_moderated').default(false).notNull(),
  moderatedAt: timestamp('moderated_at', { withTimezone: true }),
  moderatedBy: uuid('moderated_by'),
  moderationReason: varchar('moderation_reason', { length: 200 }),
  isHighlighted: boolean('is_highlighted').default(false).notNull(),
  isPinned: boolean('is_pinned').default(false).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `vstudio_chat_messages`, for a table that has further ones. */
export const vstudioChatMessagesConstraints = (t: Built<typeof vstudioChatMessagesColumns>): PgTableExtraConfigValue[] => [
  index('vstudio_chat_created_at_idx').on(t.createdAt),
  index('vstudio_chat_session_id_idx').on(t.vstudioSessionId),
  index('vstudio_chat_user_id_idx').on(t.userId),
  foreignKey({ name: 'vstudio_chat_messages_moderated_by_users_id_fk', columns: [t.moderatedBy], foreignColumns: [users.id] }),
  foreignKey({ name: 'vstudio_chat_messages_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }),
  foreignKey({ name: 'vstudio_chat_messages_vstudio_session_id_vstudio_sessions_id_fk', columns: [t.vstudioSessionId], foreignColumns: [vstudioSessions.id] }).onDelete('cascade'),
];

/** The table `vstudio_chat_messages`. */
export const vstudioChatMessages: Table<'vstudio_chat_messages', typeof vstudioChatMessagesColumns> = pgTable('vstudio_chat_messages', vstudioChatMessagesColumns, vstudioChatMessagesConstraints);

/** The columns of `vstudio_decision_points`, for a table that has further ones. */
export const vstudioDecisionPointsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  vstudioSessionId: uuid('vstudio_session_id').notNull(),
  type: decisionPointType('type').notNull(),
  label: varchar('label', { length: 255 }).notNull(),
  description: text('description'),
  options: jsonb('options'),
  sliderMin: integer('slider_min'),
  sliderMax: integer('slider_max'),
  sliderStep: integer('slider_step'),
  sliderLabels: jsonb('slider_labels'),
  eligibilityRule: eligibilityRule('eligibility_rule').default('open').notNull(),
  eligibilityConfig: jsonb('eligibility_config'),
  superfanWeightMultiplier: numeric('superfan_weight_multiplier', { precision: 5, scale: 2 }).default('1.0'),
  nftHolderWeight: numeric('nft_holder_weight', { precision: 5, scale: 2 }).default('1.0'),
  startTime: timestamp('start_time', { withTimezone: true }),
  endTime: timestamp('end_time', { withTimezone: true }),
  isActive: boolean('is_active').default(false).notNull(),
  displayOrder: integer('display_order').default(0).notNull(),
  resultsJson: jsonb('results_json'),
  resultsComputedAt: timestamp('results_computed_at', { withTimezone: true }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `vstudio_decision_points`, for a table that has further ones. */
export const vstudioDecisionPointsConstraints = (t: Built<typeof vstudioDecisionPointsColumns>): PgTableExtraConfigValue[] => [
  index('vstudio_decision_points_active_idx').on(t.isActive),
  index('vstudio_decision_points_order_idx').on(t.displayOrder),
  index('vstudio_decision_points_session_id_idx').on(t.vstudioSessionId),
  index('vstudio_decision_points_type_idx').on(t.type),
  foreignKey({ name: 'vstudio_decision_points_vstudio_session_id_vstudio_sessions_id_', columns: [t.vstudioSessionId], foreignColumns: [vstudioSessions.id] }).onDelete('cascade'),
];

/** The table `vstudio_decision_points`. */
export const vstudioDecisionPoints: Table<'vstudio_decision_points', typeof vstudioDecisionPointsColumns> = pgTable('vstudio_decision_points', vstudioDecisionPointsColumns, vstudioDecisionPointsConstraints);

/** The columns of `vstudio_engagement_events`, for a table that has further ones. */
export const vstudioEngagementEventsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  vstudioSessionId: uuid('vstudio_session_id').notNull(),
  userId: uuid('user_id'),
  walletAddress: varchar('wallet_address', { length: 255 }),
  eventType: engagementEventType('event_type').notNull(),
  eventData: jsonb('event_data'),
  decisionPointId: uuid('decision_point_id'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `vstudio_engagement_events`, for a table that has further ones. */
export const vstudioEngagementEventsConstraints = (t: Built<typeof vstudioEngagementEventsColumns>): PgTableExtraConfigValue[] => [
  index('vstudio_events_created_at_idx').on(t.createdAt),
  index('vstudio_events_event_type_idx').on(t.eventType),
  index('vstudio_events_session_id_idx').on(t.vstudioSessionId),
  foreignKey({ name: 'vstudio_engagement_events_decision_point_id_vstudio_decision_po', columns: [t.decisionPointId], foreignColumns: [vstudioDecisionPoints.id] }),
  foreignKey({ name: 'vstudio_engagement_events_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }),
  foreignKey({ name: 'vstudio_engagement_events_vstudio_session_id_vstudio_sessions_i', columns: [t.vstudioSessionId], foreignColumns: [vstudioSessions.id] }).onDelete('cascade'),
];

/** The table `vstudio_engagement_events`. */
export const vstudioEngagementEvents: Table<'vstudio_engagement_events', typeof vstudioEngagementEventsColumns> = pgTable('vstudio_engagement_events', vstudioEngagementEventsColumns, vstudioEngagementEventsConstraints);

/** The columns of `vstudio_participants`, for a table that has further ones. */
export const vstudioParticipantsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  vstudioSessionId: uuid('vstudio_session_id').notNull(),
  userId: uuid('user_id'),
  walletAddress: varchar('wallet_address', { length: 255 }),
  joinedAt: timestamp('joined_at', { withTimezone: true }).defaultNow().notNull(),
  leftAt: timestamp('left_at', { withTimezone: true }),
  votesCount: integer('votes_count').default(0).notNull(),
  messagesCount: integer('messages_count').default(0).notNull(),
  reactionsCount: integer('reactions_count').default(0).notNull(),
  totalTimeSeconds: integer('total_time_seconds').default(0).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `vstudio_participants`, for a table that has further ones. */
export const vstudioParticipantsConstraints = (t: Built<typeof vstudioParticipantsColumns>): PgTableExtraConfigValue[] => [
  index('vstudio_participants_session_id_idx').on(t.vstudioSessionId),
  uniqueIndex('vstudio_participants_session_user_idx').on(t.vstudioSessionId, t.userId),
  uniqueIndex('vstudio_participants_session_wallet_idx').on(t.vstudioSessionId, t.walletAddress),
  index('vstudio_participants_user_id_idx').on(t.userId),
  foreignKey({ name: 'vstudio_participants_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }),
  foreignKey({ name: 'vstudio_participants_vstudio_session_id_vstudio_sessions_id_fk', columns: [t.vstudioSessionId], foreignColumns: [vstudioSessions.id] }).onDelete('cascade'),
];

/** The table `vstudio_participants`. */
export const vstudioParticipants: Table<'vstudio_participants', typeof vstudioParticipantsColumns> = pgTable('vstudio_participants', vstudioParticipantsColumns, vstudioParticipantsConstraints);

/** The columns of `vstudio_sessions`, for a table that has further ones. */
export const vstudioSessionsColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  masterId: uuid('master_id').notNull(),
  artistId: uuid('artist_id').notNull(),
  title: varchar('title', { length: 255 }).notNull(),
  description: text('description'),
  slug: varchar('slug', { length: 150 }),
  sessionType: varchar('session_type', { length: 50 }),
  status: vstudioSessionStatus('status').default('draft').notNull(),
  scheduledStartAt: timestamp('scheduled_start_at', { withTimezone: true }),
  scheduledEndAt: timestamp('scheduled_end_at', { withTimezone: true }),
  actualStartAt: timestamp('actual_start_at', { withTimezone: true }),
  actualEndAt: timestamp('actual_end_at', { withTimezone: true }),
  isPublic: boolean('is_public').default(true).notNull(),
  allowAnonymous: boolean('allow_anonymous').default(false).notNull(),
  maxParticipants: integer('max_participants'),
  coverImageUrl: text('cover_image_url'),
  backgroundColor: varchar('background_color', { length: 20 }),
  participantCount: integer('participant_count').default(0).notNull(),
  totalVotes: integer('total_votes').default(0).notNull(),
  peakConcurrentViewers: integer('peak_concurrent_viewers').default(0).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `vstudio_sessions`, for a table that has further ones. */
export const vstudioSessionsConstraints = (t: Built<typeof vstudioSessionsColumns>): PgTableExtraConfigValue[] => [
  index('vstudio_sessions_artist_id_idx').on(t.artistId),
  index('vstudio_sessions_master_id_idx').on(t.masterId),
  uniqueIndex('vstudio_sessions_slug_idx').on(t.slug),
  index('vstudio_sessions_start_at_idx').on(t.scheduledStartAt),
  index('vstudio_sessions_status_idx').on(t.status),
  foreignKey({ name: 'vstudio_sessions_artist_id_artists_id_fk', columns: [t.artistId], foreignColumns: [artists.id] }),
  foreignKey({ name: 'vstudio_sessions_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
];

/** The table `vstudio_sessions`. */
export const vstudioSessions: Table<'vstudio_sessions', typeof vstudioSessionsColumns> = pgTable('vstudio_sessions', vstudioSessionsColumns, vstudioSessionsConstraints);

/** The columns of `vstudio_votes`, for a table that has further ones. */
export const vstudioVotesColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  decisionPointId: uuid('decision_point_id').notNull(),
  vstudioSessionId: uuid('vstudio_session_id').notNull(),
  userId: uuid('user_id'),
  walletAddress: varchar('wallet_address', { length: 255 }),
  anonymousId: varchar('anonymous_id', { length: 100 }),
  optionSelected: varchar('option_selected', { length: 100 }),
  sliderValue: numeric('slider_value', { precision: 10, scale: 2 }),
  textResponse: text('text_response'),
  rankingOrder: jsonb('ranking_order'),
  weight: numeric('weight', { precision: 10, scale: 4 }).default('1.0').notNull(),
  verifiedNftHolder: boolean('verified_nft_holder').default(false).notNull(),
  verifiedCoinHolder: boolean('verified_coin_holder').default(false).notNull(),
  verifiedSubscriber: boolean('verified_subscriber').default(false).notNull(),
  clientIpHash: varchar('client_ip_hash', { length: 64 }),
  userAgent: varchar('user_agent', { length: 500 }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `vstudio_votes`, for a table that has further ones. */
export const vstudioVotesConstraints = (t: Built<typeof vstudioVotesColumns>): PgTableExtraConfigValue[] => [
  index('vstudio_votes_created_at_idx').on(t.createdAt),
  index('vstudio_votes_decision_point_idx').on(t.decisionPointId),
  index('vstudio_votes_session_id_idx').on(t.vstudioSessionId),
  uniqueIndex('vstudio_votes_user_decision_idx').on(t.userId, t.decisionPointId),
  index('vstudio_votes_user_id_idx').on(t.userId),
  uniqueIndex('vstudio_votes_wallet_decision_idx').on(t.walletAddress, t.decisionPointId),
  index('vstudio_votes_wallet_idx').on(t.walletAddress),
  foreignKey({ name: 'vstudio_votes_decision_point_id_vstudio_decision_points_id_fk', columns: [t.decisionPointId], foreignColumns: [vstudioDecisionPoints.id] }).onDelete('cascade'),
  foreignKey({ name: 'vstudio_votes_user_id_users_id_fk', columns: [t.userId], foreignColumns: [users.id] }),
  foreignKey({ name: 'vstudio_votes_vstudio_session_id_vstudio_sessions_id_fk', columns: [t.vstudioSessionId], foreignColumns: [vstudioSessions.id] }),
];

/** The table `vstudio_votes`. */
export const vstudioVotes: Table<'vstudio_votes', typeof vstudioVotesColumns> = pgTable('vstudio_votes', vstudioVotesColumns, vstudioVotesConstraints);

/** The columns of `wallet_dividend_balances`, for a table that has further ones. */
export const walletDividendBalancesColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  walletAddress: varchar('wallet_address', { length: 255 }).notNull(),
  masterId: uuid('master_id'),
  dividendContractId: uuid('dividend_contract_id').notNull(),
  chainId: varchar('chain_id', { length: 50 }).notNull(),
  /** [DERIVED] Sum of what distributions gave to tokens that the wallet owned then */
  totalEarned: numeric('total_earned').default('0').notNull(),
  /** [DERIVED] Sum of claims */
  totalClaimed: numeric('total_claimed').default('0').notNull(),
  /** [DERIVED] Earned less claimed */
  claimableAmount: numeric('claimable_amount').default('0').notNull(),
  currency: varchar('currency', { length: 255 }).notNull(),
  /** [DERIVED] Time of the latest claim */
  lastClaimedAt: timestamp('last_claimed_at', { withTimezone: true }),
  /** [DERIVED] Transaction of the latest claim */
  lastClaimTxHash: varchar('last_claim_tx_hash', { length: 255 }),
  /** [DERIVED] Tokens of the contract that the wallet owns */
  tokensHeld: integer('tokens_held').default(0).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).defaultNow().notNull(),
  changedBlock: bigint('changed_block', { mode: 'bigint' }),
};

/** The indexes and foreign keys of `wallet_dividend_balances`, for a table that has further ones. */
export const walletDividendBalancesConstraints = (t: Built<typeof walletDividendBalancesColumns>): PgTableExtraConfigValue[] => [
  index('wallet_dividends_changed_idx').on(t.chainId, t.changedBlock),
  index('wallet_dividends_claimable_idx').on(t.claimableAmount),
  index('wallet_dividends_master_id_idx').on(t.masterId),
  uniqueIndex('wallet_dividends_wallet_contract_currency_idx').on(t.walletAddress, t.dividendContractId, t.currency),
  index('wallet_dividends_wallet_idx').on(t.walletAddress),
  index('wallet_dividends_wallet_master_chain_idx').on(t.walletAddress, t.masterId, t.chainId),
  foreignKey({ name: 'wallet_dividend_balances_dividend_contract_id_dividend_contract', columns: [t.dividendContractId], foreignColumns: [dividendContracts.id] }),
  foreignKey({ name: 'wallet_dividend_balances_master_id_masters_id_fk', columns: [t.masterId], foreignColumns: [masters.id] }),
];

/** The table `wallet_dividend_balances`. */
export const walletDividendBalances: Table<'wallet_dividend_balances', typeof walletDividendBalancesColumns> = pgTable('wallet_dividend_balances', walletDividendBalancesColumns, walletDividendBalancesConstraints);

/** The columns of `webhooks_log`, for a table that has further ones. */
export const webhooksLogColumns = {
  id: uuid('id').defaultRandom().primaryKey(),
  providerName: varchar('provider_name', { length: 100 }).notNull(),
  providerId: uuid('provider_id'),
  eventType: varchar('event_type', { length: 100 }).notNull(),
  eventId: varchar('event_id', { length: 100 }),
  payloadMetadata: jsonb('payload_metadata'),
  status: webhookStatus('status').default('pending').notNull(),
  processedAt: timestamp('processed_at', { withTimezone: true }),
  processingError: text('processing_error'),
  retryCount: integer('retry_count').default(0).notNull(),
  ipAddress: varchar('ip_address', { length: 45 }),
  userAgent: varchar('user_agent', { length: 500 }),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
};

/** The indexes and foreign keys of `webhooks_log`, for a table that has further ones. */
export const webhooksLogConstraints = (t: Built<typeof webhooksLogColumns>): PgTableExtraConfigValue[] => [
  index('webhooks_log_created_at_idx').on(t.createdAt),
  uniqueIndex('webhooks_log_event_id_idx').on(t.eventId),
  index('webhooks_log_event_type_idx').on(t.eventType),
  index('webhooks_log_provider_idx').on(t.providerName),
  index('webhooks_log_status_idx').on(t.status),
  foreignKey({ name: 'webhooks_log_provider_id_payment_providers_id_fk', columns: [t.providerId], foreignColumns: [paymentProviders.id] }),
];

/** The table `webhooks_log`. */
export const webhooksLog: Table<'webhooks_log', typeof webhooksLogColumns> = pgTable('webhooks_log', webhooksLogColumns, webhooksLogConstraints);

/** Per contract: the last block up to which its facts are complete, the time of that block, and whether it is syncing, live, paused or in error */
export const indexingProgress = pgView('indexing_progress', {
  chainId: text('chain_id'),
  contractAddress: varchar('contract_address', { length: 42 }),
  kind: text('kind'),
  lastIndexedBlock: bigint('last_indexed_block', { mode: 'bigint' }),
  lastIndexedAt: timestamp('last_indexed_at', { withTimezone: true }),
  status: text('status'),
}).existing();

/** The view `token_dividends`, which the migrations create. */
export const tokenDividends = pgView('token_dividends', {
  masterNftId: uuid('master_nft_id'),
  chainId: varchar('chain_id', { length: 50 }),
  contractAddress: varchar('contract_address', { length: 255 }),
  tokenId: numeric('token_id', { precision: 78, scale: 0 }),
  ownerWallet: varchar('owner_wallet', { length: 255 }),
  dividendContractId: uuid('dividend_contract_id'),
  currency: varchar('currency', { length: 255 }),
  earned: numeric('earned'),
  claimed: numeric('claimed'),
  unclaimed: numeric('unclaimed'),
}).existing();
