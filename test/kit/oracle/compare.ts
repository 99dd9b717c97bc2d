import type { Row, Tables } from './fact-rows.ts';
import { COMPARED_TABLES, type ComparedTable } from './stored.ts';

/** A difference between the database and the chain. */
export type Difference = { readonly table: string; readonly key: string } & (
  | { readonly kind: 'missing' }
  | { readonly kind: 'extra' }
  | {
      readonly kind: 'unequal';
      readonly column: string;
      readonly expected: string | null;
      readonly stored: string | null;
    }
);

/** The comparison of one table: its number of rows, the expected number of rows, and every difference. */
export type TableComparison = {
  readonly table: string;
  readonly stored: number;
  readonly expected: number;
  readonly differences: readonly Difference[];
};

/** How many differences of a table are described. The others are only counted. */
const DESCRIBED_PER_TABLE_MAX = 20;

/** Compares every row of the tables `compared`, by default of all tables. */
export function compareTables(
  expected: Tables,
  stored: Tables,
  compared: readonly ComparedTable[] = COMPARED_TABLES,
): TableComparison[] {
  return compared.map((table) => {
    const [due, found] = [expected.get(table.name) ?? [], stored.get(table.name) ?? []];
    return {
      table: table.name,
      stored: found.length,
      expected: due.length,
      differences: compareRows(table, due, found),
    };
  });
}

/** Returns every missing, extra and unequal row of a table. */
export function compareRows(
  { name: table, key: columns }: Pick<ComparedTable, 'name' | 'key'>,
  expected: readonly Row[],
  stored: readonly Row[],
): Difference[] {
  const [due, found] = [byKey(expected, columns), byKey(stored, columns)];
  const differences: Difference[] = [];
  for (const [key, row] of due) {
    const other = found.get(key);
    if (other === undefined) differences.push({ kind: 'missing', table, key });
    else differences.push(...unequalColumns(row, other).map((column) => ({ table, key, ...column })));
  }
  for (const key of found.keys()) if (!due.has(key)) differences.push({ kind: 'extra', table, key });
  return differences;
}

/** Maps rows by their key. A repeated key gets a suffix, so that a duplicate row is a difference. */
function byKey(rows: readonly Row[], columns: readonly string[]): Map<string, Row> {
  const keyed = new Map<string, Row>();
  for (const row of rows) {
    const key = columns.map((column) => row[column]).join(':');
    let unique = key;
    for (let copy = 2; keyed.has(unique); copy++) unique = `${key}#${copy}`;
    keyed.set(unique, row);
  }
  return keyed;
}

function unequalColumns(expected: Row, stored: Row) {
  const columns = new Set([...Object.keys(expected), ...Object.keys(stored)]);
  return [...columns].flatMap((column) => {
    const [due, found] = [expected[column] ?? null, stored[column] ?? null];
    return due === found ? [] : [{ kind: 'unequal' as const, column, expected: due, stored: found }];
  });
}

/** The columns of facts and tokens that stages write. */
const STAGE_COLUMNS: readonly string[] = [
  'dividend_claims.master_nft_id',
  'master_nfts.total_dividends_received',
  'master_nfts.last_dividend_claimed_at',
];

/** The compared tables that only stages write. */
const STAGE_TABLES: readonly string[] = [
  'master_ipos',
  'revenue_links',
  'wallet_dividend_balances',
  'nft_ownership_snapshots',
  'distribution_holders',
];

/** Returns whether a difference may exist until the stages have run, since they run after the commits. */
export function mayBePending(difference: Difference): boolean {
  const { table } = difference;
  if (STAGE_TABLES.includes(table)) return true;
  return difference.kind === 'unequal' && STAGE_COLUMNS.includes(`${table}.${difference.column}`);
}

/** Describes each difference in a sentence. If a table has many, only the first are described. */
export function describeDifferences(differences: readonly Difference[]): string[] {
  return [...Map.groupBy(differences, ({ table }) => table)].flatMap(([table, found]) => {
    const described = found.slice(0, DESCRIBED_PER_TABLE_MAX).map(describe);
    const others = found.length - described.length;
    return others === 0 ? described : [...described, `${table}: ${others} more differences`];
  });
}

function describe(difference: Difference): string {
  const { table, key } = difference;
  if (difference.kind === 'missing') return `${table}: ${key} is missing`;
  if (difference.kind === 'extra') return `${table}: ${key} should not be there`;
  return `${table}: ${key}: ${difference.column} is ${difference.stored}, the chain says ${difference.expected}`;
}
