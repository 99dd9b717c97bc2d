import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import type { ContractKey } from './contract-coverage.ts';

/** A repair of a contract's facts in some blocks. */
export type Repair = BlockRange & {
  readonly chainId: number;
  readonly contract: ContractKey;
  /**
   * What found the fault: `proof` for a comparison of facts with headers and receipts, `verify` or `dead-letters` for the command of this
   * name, otherwise the name of the rule that the facts contradicted.
   */
  readonly cause: string;
  readonly added: number;
  readonly removed: number;
  /** The endpoints whose logs differed from the receipts. */
  readonly endpoints: readonly string[];
};

/** Records a repair. */
export async function recordRepair(tx: Transaction, repair: Repair): Promise<void> {
  const { chainId, contract, from, to, cause, added, removed, endpoints } = repair;
  await tx
    .insertInto('indexer.repairs')
    .values({
      chain_id: chainId,
      address: contract.address,
      kind: contract.kind,
      from_block: from,
      to_block: to,
      cause,
      facts_added: added,
      facts_removed: removed,
      endpoints: [...endpoints],
    })
    .execute();
}

/** Returns the number of repairs of each chain. */
export async function countRepairs(db: Kysely<DB>): Promise<ReadonlyMap<number, number>> {
  const rows = await db
    .selectFrom('indexer.repairs')
    .select(({ fn }) => ['chain_id', fn.countAll<string>().as('count')])
    .groupBy('chain_id')
    .execute();
  return new Map(rows.map(({ chain_id, count }) => [Number(chain_id), Number(count)]));
}

/** What the program found wrong with the facts of a chain and has not mended, one sentence each. */
export type Troubles = {
  /** Facts contradict each other. The daemon is still reading the receipts of the blocks in which a log may be missing. */
  readonly doubt?: string;
  /** Facts contradict each other. No endpoint serves the blocks in which a log may be missing. */
  readonly contradiction?: string;
  /** Blocks that cannot be proved, and why. */
  readonly unproved?: string;
};

/** Returns the first trouble of each kind, for each chain that has troubles. */
export async function unresolvedTroubles(db: Kysely<DB>): Promise<ReadonlyMap<number, Troubles>> {
  const { rows } = await sql<{ chain_id: string } & Troubles>`
    select chain_id, doubt, contradiction, unproved
    from (
      select distinct on (chain_id) chain_id, format('blocks %s to %s cannot be proved: %s', from_block, to_block, reason) as unproved
      from indexer.failed_proofs order by chain_id, from_block
    ) unproved
    full join (
      select chain_id,
        (array_agg(sentence || ', which are compared with receipts' order by from_block) filter (where status <> 'unreadable'))[1] as doubt,
        (array_agg(format('%s, which cannot be read: %s', sentence, status_reason) order by from_block)
          filter (where status = 'unreadable'))[1] as contradiction
      from (
        select *, format('%s %s contradicts itself (%s) in blocks %s to %s', replace(kind, '_', '-'), address, rule, from_block, to_block)
          as sentence
        from indexer.doubts where status <> 'property'
      ) doubt group by chain_id
    ) contradicting using (chain_id)
  `.execute(db);
  return new Map(
    rows.map(({ chain_id, doubt, contradiction, unproved }) => [
      Number(chain_id),
      { ...(doubt && { doubt }), ...(contradiction && { contradiction }), ...(unproved && { unproved }) },
    ]),
  );
}

/** Blocks of a contract in which a log may be missing, because its facts contradict a rule. */
export type Doubt = BlockRange & {
  readonly chainId: number;
  readonly contract: ContractKey;
  readonly rule: string;
  /** When the doubt was recorded. This tells it apart from a later doubt about the same rule and blocks. */
  readonly createdAt: string;
  /** The last block that was read from receipts. Null if no block was read yet. */
  readonly readTo: number | null;
};

/** Doubts whose blocks no endpoint serves are tried again after this time. */
const UNREADABLE_COOLDOWN = '1 hour';

/** Returns the oldest doubt of a chain whose next block to read is at or below `finalized`. Undefined if there is none. */
export async function nextDoubt(db: Kysely<DB>, chainId: number, finalized: number): Promise<Doubt | undefined> {
  const row = await db
    .selectFrom('indexer.doubts')
    .select(['address', 'kind', 'rule', 'from_block', 'to_block', 'read_to'])
    .select(sql<string>`created_at::text`.as('created_at'))
    .where('chain_id', '=', String(chainId))
    .where(sql<boolean>`coalesce(read_to + 1, from_block) <= ${finalized}`)
    .where(
      sql<boolean>`(status = 'open' or status = 'unreadable' and updated_at < now() - ${UNREADABLE_COOLDOWN}::interval)`,
    )
    .orderBy('created_at')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    chainId,
    contract: { address: row.address as Hex, kind: row.kind as ContractKind },
    rule: row.rule,
    from: Number(row.from_block),
    to: Number(row.to_block),
    createdAt: row.created_at,
    readTo: row.read_to === null ? null : Number(row.read_to),
  };
}

/** Records up to which block a doubt was read, and how many facts changed. Sets the status `read` when all its blocks were read. */
export async function recordDoubtRead(
  db: Kysely<DB>,
  doubt: Doubt,
  readTo: number,
  factsChanged: number,
): Promise<void> {
  await updateDoubt(db, doubt)
    .set(({ eb }) => ({
      status: readTo >= doubt.to ? 'read' : 'open',
      status_reason: null,
      read_to: readTo,
      facts_changed: eb('facts_changed', '+', String(factsChanged)),
      updated_at: sql`now()`,
    }))
    .execute();
}

/** Records that a doubt's blocks cannot be read. `reason` must not contain secrets. */
export async function recordDoubtUnreadable(db: Kysely<DB>, doubt: Doubt, reason: string): Promise<void> {
  await updateDoubt(db, doubt).set({ status: 'unreadable', status_reason: reason, updated_at: sql`now()` }).execute();
}

function updateDoubt(db: Kysely<DB>, { chainId, contract, rule, from, to, createdAt }: Doubt) {
  return db
    .updateTable('indexer.doubts')
    .where('chain_id', '=', String(chainId))
    .where('address', '=', contract.address)
    .where('kind', '=', contract.kind)
    .where('rule', '=', rule)
    .where('from_block', '=', String(from))
    .where('to_block', '=', String(to))
    .where(sql<boolean>`created_at = ${createdAt}::timestamptz`);
}
