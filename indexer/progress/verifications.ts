import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';

/** The newest scheduled verification that has ended, as `indexer status` shows it. */
export type VerificationStatus = {
  readonly finishedAt: Date;
  /** The block as of which the chain was asked. Null if the chain was not asked. */
  readonly block: number | null;
  readonly seed: number | null;
  /** The number of answers of view functions, and of blocks, that were compared. */
  readonly answers: number;
  readonly blocks: number;
  readonly differences: number;
  /** Some of the differences, one sentence each. */
  readonly examples: readonly string[];
  /** Why the verification could not be carried out. Null if it was carried out. */
  readonly failedReason: string | null;
};

const REASON_LENGTH_MAX = 500;

/**
 * Claims the next scheduled verification of a chain. Returns true in the one process that may run it, and only when it is due.
 *
 * @param begins whether the chain's first verification may begin now
 */
export async function claimVerification(
  db: Kysely<DB>,
  chainId: number,
  { intervalHours, begins }: { readonly intervalHours: number; readonly begins: boolean },
): Promise<boolean> {
  const { rows } = await sql`
    insert into indexer.verifications as held (chain_id)
    select ${chainId} where ${begins} or exists (select from indexer.verifications where chain_id = ${chainId})
    on conflict (chain_id) do update set started_at = now()
      where held.started_at <= now() - make_interval(hours => ${intervalHours})
    returning chain_id
  `.execute(db);
  return rows.length > 0;
}

/** Records how a verification ended. `failedReason` must not contain secrets. */
export async function recordVerification(
  db: Kysely<DB>,
  chainId: number,
  { block, seed, answers, blocks, differences, examples, failedReason }: Omit<VerificationStatus, 'finishedAt'>,
): Promise<void> {
  await db
    .updateTable('indexer.verifications')
    .set({
      ...{ finished_at: sql`now()`, block, seed, answers, blocks, differences, examples: [...examples] },
      failed_reason: failedReason?.slice(0, REASON_LENGTH_MAX) ?? null,
    })
    .where('chain_id', '=', String(chainId))
    .execute();
}

/** Reads, for each chain, the newest scheduled verification that has ended. */
export async function verificationStatus(db: Kysely<DB>): Promise<ReadonlyMap<number, VerificationStatus>> {
  const rows = await db.selectFrom('indexer.verifications').selectAll().where('finished_at', 'is not', null).execute();
  return new Map(
    rows.flatMap((row) =>
      row.finished_at === null
        ? []
        : [
            [
              Number(row.chain_id),
              {
                finishedAt: row.finished_at,
                block: row.block === null ? null : Number(row.block),
                seed: row.seed === null ? null : Number(row.seed),
                answers: Number(row.answers ?? 0),
                blocks: Number(row.blocks ?? 0),
                differences: Number(row.differences ?? 0),
                examples: row.examples,
                failedReason: row.failed_reason,
              },
            ] as const,
          ],
    ),
  );
}
