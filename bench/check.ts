import pg from 'pg';
import type { Expected } from './ledger.ts';

/** Lines as `expectedOf` makes them. */
const STATE = `
  select format('balance %s %s %s', token.contract_address, wallet_address, balance) as line
  from token_holders join artist_tokens token on token.id = artist_token_id where balance <> 0
  union all
  select format('token %s supply %s holders %s', contract_address, total_supply, holders_count) from artist_tokens
  union all
  select format('owner %s %s %s', contract_address, token_id, current_owner_wallet) from master_nfts
  union all
  select format('master %s supply %s minted %s', contract_address, contract_total_supply, minted_supply)
  from master_contracts where minted_supply > 0
  union all
  select format('pool %s reserves %s %s supply %s', pool_address, reserve0, reserve1, lp_total_supply) from liquidity_pools
  union all
  select format('liquidity %s %s %s', pool.pool_address, wallet_address, lp_token_balance)
  from pool_positions join liquidity_pools pool on pool.id = liquidity_pool_id where lp_token_balance <> 0
`;

const FACTS = `
  select (select count(*) from token_transfers) as token_transfers, (select count(*) from nft_transfers) as nft_transfers,
    (select count(*) from pool_events) as pool_events, (select count(*) from indexer.contract_events) as contract_events,
    (select count(*) from indexer.dead_letters) as dead_letters
`;

/** Throws unless the database holds exactly what the generator knows: rows of facts, balances, owners, reserves, totals. */
export async function checkDatabase(url: string, expected: Expected): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: counted } = await client.query<Record<string, string>>(FACTS);
    for (const [table, rows] of Object.entries({ ...expected.facts, dead_letters: 0 })) {
      if (Number(counted[0]?.[table]) !== rows) {
        throw new Error(`the benchmark is void: ${table} has ${counted[0]?.[table]} rows, the chain has ${rows}`);
      }
    }
    const { rows } = await client.query<{ line: string }>(STATE);
    const found = rows.map(({ line }) => line).sort();
    const known = new Set(expected.state);
    const held = new Set(found);
    const extra = found.filter((line) => !known.has(line));
    const missing = expected.state.filter((line) => !held.has(line));
    if (extra.length + missing.length > 0) {
      throw new Error(
        `the benchmark is void: ${missing.length} lines of state are missing, such as "${missing[0]}"; ` +
          `${extra.length} are there and should not, such as "${extra[0]}"`,
      );
    }
  } finally {
    await client.end();
  }
}
