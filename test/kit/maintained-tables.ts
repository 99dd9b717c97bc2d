import type { Fold } from '../../indexer/facts/fold.ts';
import type { Row, Tables } from './oracle/fact-rows.ts';

/** The tables that each fold maintains, with the columns where several folds maintain one table. */
export const MAINTAINED: Readonly<Record<string, Readonly<Record<string, readonly string[] | 'all'>>>> = {
  'nft-tokens': {
    master_nfts: [
      'id',
      'current_owner_wallet',
      'last_position',
      'original_minter_wallet',
      'first_mint_position',
      'mint_count',
      'mint_tx_hash',
      'minted_at_block',
      'minted_at',
      'mint_price_wei',
    ],
  },
  'mint-order': {
    master_nfts: ['id', 'is_first_minter', 'is_second_minter', 'is_third_minter'],
    master_contracts: ['first_minter_wallet', 'second_minter_wallet', 'third_minter_wallet', 'third_mint_position'],
  },
  'master-supply': { master_contracts: ['current_supply', 'minted_supply'], master_ipos: 'all' },
  royalty: { master_contracts: ['default_royalty_bps', 'royalty_position'] },
  'token-balances': { token_holders: 'all', artist_tokens: ['holders_count'] },
  'token-supply': { artist_tokens: ['total_supply'] },
  'pool-positions': { pool_positions: 'all', liquidity_pools: ['lp_total_supply'] },
  'pool-reserves': { liquidity_pools: ['reserve0', 'reserve1', 'reserve_position'] },
  'dividend-totals': { dividend_contracts: ['total_revenue_deposited', 'total_dividends_distributed'] },
};

/** Returns the rows and columns that a fold maintains, in a form whose comparison ignores the order of rows and columns. */
export function maintainedBy({ name }: Fold, tables: Tables): unknown {
  return Object.entries(MAINTAINED[name] ?? {}).map(([table, columns]) => {
    const rows = tables.get(table) ?? [];
    const picked = rows.map((row) =>
      columns === 'all' ? row : Object.fromEntries(columns.map((column) => [column, row[column] ?? null])),
    );
    return { table, rows: picked.map(textOf).sort() };
  });
}

/** Returns the tables with their rows in a fixed order. */
export function sortedRows(tables: Tables): Tables {
  return new Map([...tables].map(([name, rows]) => [name, [...rows].sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1))]));
}

function textOf(row: Row): string {
  return JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
}
