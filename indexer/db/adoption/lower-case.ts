import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { AdoptionInput, AdoptionStep } from './adoption-step.ts';

/**
 * The columns that are lower-cased before the migrations, because their tables are large. Left to the migration 0009 are the small tables
 * of contracts and pools, and transaction hashes of facts: clients write these in lower case, and unique indexes of the platform contain
 * them. `key` columns identify a row together with the `within` columns.
 */
const TABLES: Readonly<Record<string, { within?: string[]; key?: string[]; other: string[] }>> = {
  master_nfts: {
    within: ['chain_id', 'token_id'],
    key: ['contract_address'],
    other: ['current_owner_wallet', 'original_minter_wallet', 'mint_tx_hash'],
  },
  token_holders: { within: ['artist_token_id'], key: ['wallet_address'], other: ['first_acquired_tx_hash'] },
  pool_positions: { within: ['liquidity_pool_id'], key: ['wallet_address'], other: ['entry_tx_hash'] },
  wallet_dividend_balances: {
    within: ['master_id', 'chain_id'],
    key: ['wallet_address', 'currency'],
    other: ['last_claim_tx_hash'],
  },
  nft_transfers: { other: ['contract_address', 'from_wallet', 'to_wallet', 'sale_currency', 'royalty_recipient'] },
  nft_ownership_snapshots: { other: ['contract_address', 'owner_wallet'] },
  pool_events: { other: ['pool_address', 'sender', 'recipient'] },
  dividend_events: { other: ['contract_address', 'currency', 'claimant_wallet'] },
  dividend_claims: { other: ['wallet_address', 'currency'] },
};
const BATCH_ROWS = 5_000;

/**
 * Returns the steps that lower-case addresses of EVM chains in batches. Otherwise the migration 0009 would write these rows while the
 * migrations lock their tables. A row whose key another row has in a different case is left to the migration 0009.
 */
export async function lowerCaseSteps<DB>({ db, existing }: AdoptionInput<DB>): Promise<AdoptionStep[]> {
  const steps: AdoptionStep[] = [];
  for (const [table, { within = [], key = [], other }] of Object.entries(TABLES)) {
    const held = new Set(existing.tables.get(table)?.columns.map(({ name }) => name));
    if (!['id', 'chain_id', ...within, ...key].every((name) => held.has(name))) continue;
    const columns = other.filter((name) => held.has(name));
    const index = `${table}_lower_case`;
    if (await hasUpperCase(db, table, [...key, ...columns])) {
      if (key.length > 0) steps.push(indexStep(table, index, within, key));
      steps.push(updateStep(table, within, key, columns));
    } else if (!existing.indexes.has(index)) continue;
    if (key.length > 0) steps.push(dropStep(table, index));
  }
  return steps;
}

async function hasUpperCase<DB>(db: Kysely<DB>, table: string, columns: readonly string[]): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    select exists (select from public.${sql.ref(table)} held where ${isEvm('held')} and (${anyUpper('held', columns)})) as found
  `.execute(db);
  return rows[0]?.found === true;
}

/** Returns the step that builds an index for the search for rows with the same key. Otherwise each search would read the whole table. */
function indexStep(table: string, index: string, within: readonly string[], key: readonly string[]): AdoptionStep {
  const target = sql`public.${sql.ref(table)}`;
  const columns = [...within.map((name) => sql.ref(name)), sql`lower(${sql.ref(key[0] ?? '')})`];
  return {
    ...{ table, does: `builds the index ${index} for the next step` },
    ...{ lock: 'SHARE UPDATE EXCLUSIVE', rows: 'scan', mode: 'alone', once: true },
    statements: [
      sql`drop index concurrently if exists public.${sql.ref(index)}`,
      sql`create index concurrently ${sql.ref(index)} on ${target} (${sql.join(columns)})`,
      sql`analyze ${target}`,
    ],
  };
}

function updateStep(
  table: string,
  within: readonly string[],
  key: readonly string[],
  other: readonly string[],
): AdoptionStep {
  const target = sql`public.${sql.ref(table)}`;
  // The new values are computed from `held`, so that a value that the platform writes at the same time is not lost.
  const assign = (name: string, condition: RawBuilder<unknown>) => {
    const value = sql.ref(`held.${name}`);
    return sql`${sql.ref(name)} = case when ${condition} then lower(${value}) else ${value} end`;
  };
  const assignments = [
    ...other.map((name) => assign(name, isUpper('held', name))),
    ...key.map((name) => assign(name, sql`batch.free`)),
  ];
  return {
    ...{ table, does: `lower-cases the addresses in ${[...key, ...other].join(', ')}` },
    ...{ lock: 'ROW EXCLUSIVE', rows: 'batches', mode: 'repeated', once: true },
    statements: [
      sql`
        update ${target} held set ${sql.join(assignments)}
        from (select id, free from ${target} mine cross join lateral (select ${hasFreeKey(target, within, key)} as free) of_key
              where ${isEvm('mine')} and (${anyUpper('mine', other)} or free) limit ${sql.lit(BATCH_ROWS)}) batch
        where held.id = batch.id`,
    ],
  };
}

function dropStep(table: string, index: string): AdoptionStep {
  return {
    ...{ table, does: `drops the index ${index}` },
    ...{ lock: 'SHARE UPDATE EXCLUSIVE', rows: 'none', mode: 'alone', once: true },
    statements: [sql`drop index concurrently if exists public.${sql.ref(index)}`],
  };
}

/**
 * Returns the condition that the key of the row `mine` is to be lower-cased, and that no other row would have the same key then. Compares
 * only the first column of the key, because a unique index of the platform may lack the further ones.
 */
function hasFreeKey(
  target: RawBuilder<unknown>,
  within: readonly string[],
  key: readonly string[],
): RawBuilder<unknown> {
  const [first] = key;
  if (first === undefined) return sql`false`;
  const scope = within.map((name) => sql`theirs.${sql.ref(name)} = mine.${sql.ref(name)} and`);
  return sql`mine.${sql.ref(first)} ~ '^0x[0-9a-fA-F]+$' and (${anyUpper('mine', key)}) and not exists (
    select from ${target} theirs
    where ${sql.join(scope, sql` `)} lower(theirs.${sql.ref(first)}) = lower(mine.${sql.ref(first)}) and theirs.id <> mine.id)`;
}

/** Returns the condition that a row is of an EVM chain, whose id is a number. Addresses of other chains may be case-sensitive. */
function isEvm(row: string): RawBuilder<unknown> {
  return sql`${sql.ref(`${row}.chain_id`)} ~ '^[1-9][0-9]{0,17}$'`;
}

function anyUpper(row: string, columns: readonly string[]): RawBuilder<unknown> {
  return columns.length === 0
    ? sql`false`
    : sql.join(
        columns.map((name) => isUpper(row, name)),
        sql` or `,
      );
}

function isUpper(row: string, column: string): RawBuilder<unknown> {
  return sql`${sql.ref(`${row}.${column}`)} ~ '^0x[0-9a-fA-F]*[A-F]'`;
}
