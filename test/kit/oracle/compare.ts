import type { Row, Tables } from './fact-rows.ts';
import { COMPARED_TABLES, type ComparedTable } from './stored.ts';

/** One way in which a database differs from its chain. */
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

/** How one table compares: rows that it has, rows that it should have, and every difference. */
export type TableComparison = {
  readonly table: string;
  readonly stored: number;
  readonly expected: number;
  readonly differences: readonly Difference[];
};

/** Differences of one table that are described; the rest is counted. */
const DESCRIBED_PER_TABLE = 20;

/** Compares tables row for row, those of `compared` or all. */
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

/** A key that comes again gets a suffix, so that a row that is there twice is a difference. */
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

/** Returns whether a difference goes away once the stages have run: they run behind the commits. */
export function isUnsettled(difference: Difference): boolean {
  if (difference.table === 'master_ipos') return true;
  const isLink = difference.kind === 'unequal' && difference.column === 'master_nft_id';
  return isLink && difference.table === 'dividend_claims' && difference.stored === null;
}

/** Describes differences in a sentence each; of a table with many, the first few. */
export function describeDifferences(differences: readonly Difference[]): string[] {
  return [...Map.groupBy(differences, ({ table }) => table)].flatMap(([table, found]) => {
    const described = found.slice(0, DESCRIBED_PER_TABLE).map(describe);
    const left = found.length - described.length;
    return left === 0 ? described : [...described, `${table}: ${left} more differences`];
  });
}

function describe(difference: Difference): string {
  const { table, key } = difference;
  if (difference.kind === 'missing') return `${table}: ${key} is missing`;
  if (difference.kind === 'extra') return `${table}: ${key} should not be there`;
  return `${table}: ${key}: ${difference.column} is ${difference.stored}, the chain says ${difference.expected}`;
}
