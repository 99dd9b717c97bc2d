import type { Hex } from '../../indexer/kernel/chain.ts';
import type { Anvil } from '../../test/kit/anvil-node.ts';
import type { Platform } from '../../test/kit/deploy.ts';
import { expectedOf } from './expected.ts';
import { type Queryable, STORED_TABLES, storedRows } from './stored.ts';
import { addressesOf, type Row, type Rows, type Subjects, sortedJson, viewOf } from './view.ts';

const MAX_PER_TABLE = 20;

/** The contracts of a platform that are followed; its quote token is not one of the artist's. */
export function subjectsOf(platform: Platform): Subjects {
  return {
    masters: [platform.master.address, platform.classicMaster.address, platform.batchMaster.address],
    dividends: [platform.dividends.address],
    artistTokens: [platform.artistToken.address],
    pools: [platform.pair.address],
  };
}

/** The block up to which the database follows a chain. */
export async function headOf(db: Queryable, chainId: number): Promise<{ number: number; hash: Hex } | undefined> {
  const { rows } = await db.query('select head_number, head_hash from indexer.chains where chain_id = $1', [chainId]);
  const row = rows[0];
  if (row === undefined || row.head_number === null) return undefined;
  return { number: Number(row.head_number), hash: row.head_hash as Hex };
}

/** How one table compares: rows that it has, rows that it should have, and how often they differ. */
export type TableComparison = {
  readonly table: string;
  readonly stored: number;
  readonly expected: number;
  readonly differences: number;
};

/** What was compared and what was found; equal when no difference is told. */
export type Comparison = { readonly tables: readonly TableComparison[]; readonly differences: readonly string[] };

/**
 * Compares the database with an independent computation from the chain, row for row, at the block that the database's head
 * names. The caller sees to it that neither moves meanwhile.
 */
export async function compareTables(
  db: Queryable,
  anvil: Pick<Anvil, 'client' | 'chainId'>,
  subjects: Subjects,
): Promise<Comparison> {
  const head = await headOf(db, anvil.chainId);
  if (head === undefined) return nothing(`the database follows no block of chain ${anvil.chainId}`);
  const block = await anvil.client.getBlock({ blockNumber: BigInt(head.number) }).catch(() => undefined);
  if (block?.hash !== head.hash)
    return nothing(`the head is block ${head.number} ${head.hash}, the chain has ${block?.hash} there`);
  const expected = await expectedOf(viewOf(anvil.client, anvil.chainId, head.number, subjects.unreadable), subjects);
  const incomplete = await incompleteContracts(db, anvil.chainId, head.number, subjects);
  const differences = [
    ...expected.contradictions,
    ...incomplete.map((address) => `contracts: ${address} is not complete`),
  ];
  const tables: TableComparison[] = [];
  for (const table of STORED_TABLES) {
    const [due, stored] = [
      expected.tables.get(table) ?? new Map(),
      await storedRows(db, anvil.chainId, table, subjects),
    ];
    const found = everyDifferenceOf(table, due, stored);
    tables.push({ table, stored: stored.size, expected: due.size, differences: found.length });
    differences.push(...shortened(table, found));
  }
  differences.push(...(await soldOut(db, anvil.chainId, subjects, expected.tables.get('master_contracts'))));
  return { tables, differences };
}

/** As `compareTables`, for who wants the differences alone: a sentence for every one; none when all is equal. */
export async function compareWithChain(
  db: Queryable,
  anvil: Pick<Anvil, 'client' | 'chainId'>,
  subjects: Subjects,
): Promise<readonly string[]> {
  return (await compareTables(db, anvil, subjects)).differences;
}

function nothing(why: string): Comparison {
  return { tables: [], differences: [why] };
}

/** Contracts that are not followed, or whose history still has gaps up to and including the block `head`. */
export async function incompleteContracts(
  db: Queryable,
  chainId: number,
  head: number,
  subjects: Subjects,
): Promise<Hex[]> {
  const { rows } = await db.query(
    `select address from indexer.contracts
     where chain_id = $1 and status = 'active' and int8multirange(int8range(coalesce(deployed_at_block, 0), $2::bigint + 1))
       <@ (covered + case when live_from is null then '{}' else int8multirange(int8range(live_from, $2::bigint + 1)) end)`,
    [chainId, head],
  );
  const complete = new Set(rows.map(({ address }) => address));
  return addressesOf(subjects).filter((address) => !complete.has(address));
}

/** `master_ipos.minted_supply` against the tokens minted by all contracts of its master. */
async function soldOut(
  db: Queryable,
  chainId: number,
  subjects: Subjects,
  expected: Rows | undefined,
): Promise<string[]> {
  const { rows } = await db.query(
    `select ipo.master_id, ipo.minted_supply::text as stored, array_agg(contract.contract_address) as contracts
     from master_ipos ipo join master_contracts contract on contract.master_id = ipo.master_id
     where contract.chain_id = $1::text and contract.contract_address = any($2) group by ipo.id`,
    [String(chainId), subjects.masters],
  );
  return rows.flatMap(({ master_id, stored, contracts }) => {
    const minted = (contracts as string[]).reduce(
      (sum, key) => sum + Number(expected?.get(key)?.minted_supply ?? 0),
      0,
    );
    return String(minted) === stored ? [] : [`master_ipos: ${master_id} has ${stored} minted, the chain ${minted}`];
  });
}

/** Missing, extra and unequal rows of a table, told in sentences; no more than some per table. */
export function differencesOf(table: string, expected: Rows, stored: Rows): string[] {
  return shortened(table, everyDifferenceOf(table, expected, stored));
}

function everyDifferenceOf(table: string, expected: Rows, stored: Rows): string[] {
  const differences: string[] = [];
  for (const [key, row] of expected) {
    const found = stored.get(key);
    if (found === undefined) differences.push(`${table}: ${key} is missing`);
    else differences.push(...unequal(row, found).map((what) => `${table}: ${key}: ${what}`));
  }
  for (const key of stored.keys()) if (!expected.has(key)) differences.push(`${table}: ${key} should not be there`);
  return differences;
}

function shortened(table: string, differences: string[]): string[] {
  if (differences.length <= MAX_PER_TABLE) return differences;
  return [...differences.slice(0, MAX_PER_TABLE), `${table}: ${differences.length - MAX_PER_TABLE} more`];
}

function unequal(expected: Row, stored: Row): string[] {
  return Object.entries(expected).flatMap(([column, value]) => {
    const found: unknown = stored[column] ?? null;
    const plain = typeof found === 'object' && found !== null ? sortedJson(found as Record<string, unknown>) : found;
    return plain === value ? [] : [`${column} is ${plain}, the chain says ${value}`];
  });
}
