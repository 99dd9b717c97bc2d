import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import type { RegisteredRow, StateTable } from '../facts/fact-table.ts';
import { stateTables } from '../protocols/protocols.ts';
import type { Invariant, Violation } from '../protocols/shared/verification.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { Difference } from './difference.ts';

/** The maximum number of rows of one table, or violations of one rule, that are listed for a contract. */
const LISTED_ROWS_MAX = 1_000;

/** The text that a difference shows instead of values, for a row that is only stored or only expected. */
const PRESENT = 'a row';

type Row = { readonly stored: readonly (string | null)[] | null; readonly expected: readonly (string | null)[] | null };

/**
 * Compares the stored state of a contract with the state that follows from all its facts, table by table and column by column.
 *
 * @param tx a snapshot, so that facts and state are of the same moment
 */
export async function compareState(tx: Transaction, contract: RegisteredContract): Promise<readonly Difference[]> {
  const differences: Difference[] = [];
  for (const table of stateTables.filter(({ kind }) => kind === contract.kind)) {
    const { rows } = await statement(table, contract).execute(tx);
    differences.push(...rows.flatMap((row) => differencesOf(table, contract, row)));
  }
  return differences;
}

/**
 * Returns a statement that selects the rows of a table whose stored and expected values differ. The statement compares keys and values as
 * texts, because a full join can hash a key that is one text, even if some columns of the key are null.
 */
function statement({ digest, expected }: StateTable, contract: RegisteredRow): RawBuilder<Row> {
  const { rows, columns: names } = expected.compared ?? { ...digest, rows: sql.raw(digest.rows) };
  const columns = names.map((_, at) => sql.ref(`c${at}`));
  const texts = sql.join(columns.map((column) => sql`${column}::text`));
  const key = sql`row(${sql.join(columns.slice(0, expected.keyColumns).map((column) => sql`${column}::text`))})::text`;
  const { chainId, address } = contract;
  const isOwn = expected.belongsTo?.(contract) ?? sql`c0 = ${String(chainId)} and c1 = ${address}`;
  return sql`
    select stored.texts as stored, expected.texts as expected
    from (
      select ${key} as key, array[${texts}] as texts
      from (select ${sql.raw(names.join(', '))} from ${rows}) as stored (${sql.join(columns)})
      where ${isOwn}
    ) stored
    full join (
      select ${key} as key, array[${texts}] as texts from (${expected.rows(contract)}) as expected (${sql.join(columns)})
    ) expected using (key)
    where stored.texts is distinct from expected.texts
    order by key limit ${LISTED_ROWS_MAX}
  `;
}

function differencesOf(
  { name, digest, expected: { keyColumns, compared } }: StateTable,
  { chainId, kind, address }: RegisteredContract,
  { stored, expected }: Row,
): readonly Difference[] {
  const { columns } = compared ?? digest;
  const parts = (stored ?? expected ?? []).slice(0, keyColumns).filter((part) => part !== null);
  const key = parts.filter((part) => part !== address && part !== String(chainId)).join(' ');
  const where = { comparison: 'state', chainId, kind, contract: address, table: name, key, block: null } as const;
  if (stored === null || expected === null) {
    return [{ ...where, column: '*', stored: stored && PRESENT, expected: expected && PRESENT }];
  }
  return columns.flatMap((column, at): Difference[] => {
    const [own, other] = [stored[at] ?? null, expected[at] ?? null];
    return own === other ? [] : [{ ...where, column: columnOf(column), stored: own, expected: other }];
  });
}

/** Returns the name of the column in an expression of a digest, such as `coalesce(reserve0, 0)`. */
function columnOf(expression: string): string {
  return /^coalesce\((\w+),/.exec(expression)?.[1] ?? expression;
}

/** Returns a difference for each violation of a rule by the rows of a contract. The contract's history must be complete. */
export async function checkInvariants(
  tx: Transaction,
  contract: RegisteredContract,
  invariants: readonly Invariant[],
): Promise<readonly Difference[]> {
  const { chainId, kind, address } = contract;
  const differences: Difference[] = [];
  for (const { name, table, violations } of invariants) {
    const { rows } = await sql<Violation>`
      select * from (${violations(contract)}) violation order by key limit ${LISTED_ROWS_MAX}
    `.execute(tx);
    for (const { key, stored, expected, from_block, to_block } of rows) {
      const blocks = to_block === null ? undefined : { from: Number(from_block ?? 0), to: Number(to_block) };
      differences.push({
        ...{ comparison: 'rule', chainId, kind, contract: address, table, column: name, key, stored, expected },
        ...{ block: null, ...(blocks && { blocks }) },
      });
    }
  }
  return differences;
}
