import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { BlockRange } from '../kernel/ranges.ts';

/** Selects dead letters. A field that is undefined does not restrict the selection. */
export type LetterSelection = {
  readonly chainId?: number | undefined;
  /** Selects only logs of this contract. Failed ranges belong to no contract and are left out. */
  readonly contract?: Hex | undefined;
  readonly ids?: readonly string[] | undefined;
};

/** A log that could not be decoded: its contract and its block. */
export type LogLetter = {
  readonly kind: 'log';
  readonly id: string;
  readonly chainId: number;
  readonly contract: Hex;
  readonly contractKind: ContractKind;
  readonly block: number;
  readonly reason: string;
};

/** A range of history that could not be filled. */
export type RangeLetter = BlockRange & {
  readonly kind: 'job';
  readonly id: string;
  readonly chainId: number;
  readonly reason: string;
};

/** A dead letter: a log that could not be decoded, without its topics and data, or a range that could not be filled. */
export type Letter = LogLetter | RangeLetter;

/** A dead letter as `indexer dead-letters list` shows it. A log includes its topics and data, as the node served them. */
export type ListedLetter = (
  | (LogLetter & {
      readonly blockHash: Hex;
      readonly logIndex: number;
      readonly transactionHash: Hex;
      readonly topics: readonly Hex[];
      readonly data: Hex;
    })
  | RangeLetter
) & { readonly createdAt: Date };

type Row = {
  readonly id: string;
  readonly chain_id: string;
  readonly kind: string;
  readonly address: string | null;
  readonly contract_kind: string | null;
  readonly block_number: string | null;
  readonly range_from: string | null;
  readonly range_to: string | null;
  readonly reason: string;
};

const COLUMNS = [
  'id',
  'chain_id',
  'kind',
  'address',
  'contract_kind',
  'block_number',
  'range_from',
  'range_to',
  'reason',
] as const;

/** Returns the selected dead letters with their logs, ordered by chain and block, at most `limit`. `total` counts all that are selected. */
export async function listLetters(
  db: Kysely<DB>,
  selection: LetterSelection,
  limit: number,
): Promise<{ readonly letters: readonly ListedLetter[]; readonly total: number }> {
  const rows = await selectLetters(db, selection)
    .select([...COLUMNS, 'block_hash', 'log_index', 'tx_hash', 'topics', 'data', 'created_at'])
    .limit(limit)
    .execute();
  const { total } = await db
    .selectFrom('indexer.dead_letters')
    .where(isSelected(selection))
    .select(({ fn }) => fn.countAll<string>().as('total'))
    .executeTakeFirstOrThrow();
  const letters = rows.map((row): ListedLetter => {
    const letter = letterOf(row);
    if (letter.kind === 'job') return { ...letter, createdAt: row.created_at };
    return {
      ...letter,
      blockHash: row.block_hash as Hex,
      logIndex: Number(row.log_index),
      transactionHash: row.tx_hash as Hex,
      topics: (row.topics ?? []) as Hex[],
      data: (row.data ?? '0x') as Hex,
      createdAt: row.created_at,
    };
  });
  return { letters, total: Number(total) };
}

/** Returns the selected dead letters without their logs, ordered by chain and block, at most `limit`. */
export async function findLetters(
  db: Kysely<DB>,
  selection: LetterSelection,
  limit: number,
): Promise<readonly Letter[]> {
  const rows = await selectLetters(db, selection).select(COLUMNS).limit(limit).execute();
  return rows.map(letterOf);
}

/** Deletes the selected dead letters, and returns them. */
export async function deleteLetters(db: Kysely<DB>, selection: LetterSelection): Promise<readonly Letter[]> {
  const rows = await db.deleteFrom('indexer.dead_letters').where(isSelected(selection)).returning(COLUMNS).execute();
  return rows.map(letterOf);
}

function selectLetters(db: Kysely<DB>, selection: LetterSelection) {
  return db
    .selectFrom('indexer.dead_letters')
    .where(isSelected(selection))
    .orderBy('chain_id')
    .orderBy(sql`coalesce(block_number, range_from)`)
    .orderBy('log_index')
    .orderBy('id');
}

function isSelected({ chainId, contract, ids }: LetterSelection): RawBuilder<boolean> {
  const conditions = [
    ...(chainId === undefined ? [] : [sql`chain_id = ${chainId}`]),
    ...(contract === undefined ? [] : [sql`address = ${contract}`]),
    ...(ids === undefined ? [] : [sql`id = any(${[...ids]}::uuid[])`]),
  ];
  return conditions.length === 0 ? sql<boolean>`true` : sql<boolean>`${sql.join(conditions, sql` and `)}`;
}

function letterOf(row: Row): Letter {
  const { id, reason } = row;
  const chainId = Number(row.chain_id);
  if (row.kind === 'job') {
    return { kind: 'job', id, chainId, from: Number(row.range_from), to: Number(row.range_to), reason };
  }
  const contract = { contract: row.address as Hex, contractKind: row.contract_kind as ContractKind };
  return { kind: 'log', id, chainId, ...contract, block: Number(row.block_number), reason };
}
