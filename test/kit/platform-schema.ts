import { index, pgTable, timestamp, uniqueIndex, uuid, varchar } from 'drizzle-orm/pg-core';
import {
  masterIposColumns,
  masterIposConstraints,
  masterNftsColumns,
  masterNftsConstraints,
  masterIpos as mirroredIpos,
  users,
} from '../../indexer/drizzle/generated/schema.ts';

// biome-ignore lint/performance/noReExportAll: this is the file that docs/schema.md recommends
// biome-ignore lint/performance/noBarrelFile: this is the file that docs/schema.md recommends
export * from '../../indexer/drizzle/generated/schema.ts';

/** The platform's table, including the columns that the indexer's schema does not have. */
export const masterIpos = pgTable(
  'master_ipos',
  {
    ...masterIposColumns,
    chainId: varchar('chain_id', { length: 50 }),
    contractAddress: varchar('contract_address', { length: 255 }),
  },
  masterIposConstraints,
);

/** The platform's table, including the column that the indexer's schema does not have. */
export const masterNfts = pgTable(
  'master_nfts',
  { ...masterNftsColumns, masterIpoId: uuid('master_ipo_id').references(() => mirroredIpos.id) },
  masterNftsConstraints,
);

/** A table of the platform that the indexer's schema does not have. */
export const magicLinkTokens = pgTable(
  'magic_link_tokens',
  {
    id: uuid('id').defaultRandom().primaryKey(),
    email: varchar('email', { length: 255 }).notNull(),
    token: varchar('token', { length: 255 }).notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
    usedAt: timestamp('used_at', { withTimezone: true }),
    createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
  },
  (t) => [uniqueIndex('magic_link_tokens_token_idx').on(t.token), index('magic_link_tokens_email_idx').on(t.email)],
);

/** A table of the platform that the indexer's schema does not have. */
export const userSessions = pgTable(
  'user_sessions',
  {
    id: uuid('id').defaultRandom().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    refreshToken: varchar('refresh_token', { length: 255 }).notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
    userAgent: varchar('user_agent', { length: 500 }),
    ipAddress: varchar('ip_address', { length: 45 }),
    createdAt: timestamp('created_at', { withTimezone: true }).defaultNow().notNull(),
    revokedAt: timestamp('revoked_at', { withTimezone: true }),
  },
  (t) => [
    uniqueIndex('user_sessions_refresh_token_idx').on(t.refreshToken),
    index('user_sessions_user_id_idx').on(t.userId),
  ],
);
