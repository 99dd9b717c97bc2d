import { type Kysely, sql } from 'kysely';
import { messageOf, SchemaVersionError } from '../../kernel/errors.ts';
import { sleep } from '../../kernel/sleep.ts';
import { SQLSTATE, sqlstateOf } from '../sqlstate.ts';
import type { AdoptionStep } from './adoption-step.ts';
import { planAdoption } from './plan.ts';
import { LOCK_TIMEOUT_MS, type OnBlocked, retryWhileBlocked } from './retry-while-blocked.ts';

/** The key of the advisory lock that serialises adoptions of one database. The number is arbitrary. */
const ADOPTION_LOCK = 5_294_871_037;
/** The pause between attempts to get the advisory lock of adoptions. */
const ADOPTION_LOCK_RETRY_MS = 500;
/** The maximum number of rounds, each of which plans and runs steps. Rows that the platform writes meanwhile can require another round. */
const ROUNDS_MAX = 5;

/**
 * Prepares the platform's existing tables for the migrations. Each step commits by itself. After a crash, the next call continues.
 * Concurrent adoptions of one database wait for each other.
 *
 * @param isMigrated returns whether another process has applied the migrations, so that nothing is left to adopt
 * @throws {SchemaVersionError} if tables cannot be adopted. If the first plan shows this, nothing was changed, and the message says what
 * to do for each table. If a step fails, the steps before it stay.
 */
export async function adoptTables<DB>(
  db: Kysely<DB>,
  onBlocked: OnBlocked,
  isMigrated: () => Promise<boolean>,
): Promise<void> {
  if ((await stepsOf(db)).length === 0) return;
  // The transaction `guard` holds the lock while the steps run on another connection, because some steps cannot run in a transaction.
  // Between its statements `guard` holds no snapshot. `create index concurrently` would wait for such a snapshot.
  await db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (guard) => {
      await sql`set local idle_in_transaction_session_timeout to 0`.execute(guard);
      await waitForLock(guard, onBlocked);
      for (let round = 1; ; round++) {
        const steps = (await stepsOf(db)).filter(({ once }) => once !== true || round === 1);
        if (steps.length === 0 || (await isMigrated())) return;
        if (round > ROUNDS_MAX)
          throw new SchemaVersionError(
            `adoption has steps left after ${ROUNDS_MAX} rounds: ${steps[0]?.table} ${steps[0]?.does}`,
          );
        await runRound(db, steps, onBlocked);
      }
    });
}

/**
 * Takes the advisory lock of adoptions until the transaction ends. Polls for the lock, because a statement that waits for it would hold a
 * snapshot. The lock's holder creates indexes concurrently on another connection, which would wait for that snapshot. PostgreSQL would not
 * detect this deadlock.
 */
async function waitForLock<DB>(guard: Kysely<DB>, onBlocked: OnBlocked): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    // The key is a literal. With a parameter, the statement would leave a portal open, which holds a snapshot.
    const { rows } = await sql<{ locked: boolean }>`
      select pg_try_advisory_xact_lock(${sql.lit(ADOPTION_LOCK)}) as locked`.execute(guard);
    if (rows[0]?.locked === true) return;
    if (attempt === 1) onBlocked('adoption by another process', ADOPTION_LOCK_RETRY_MS);
    await sleep(ADOPTION_LOCK_RETRY_MS);
  }
}

async function stepsOf<DB>(db: Kysely<DB>): Promise<readonly AdoptionStep[]> {
  const { steps, refusals } = await planAdoption(db);
  if (refusals.length > 0)
    throw new SchemaVersionError(`the platform's tables cannot be adopted: ${refusals.join('; ')}`);
  return steps;
}

async function runRound<DB>(db: Kysely<DB>, steps: readonly AdoptionStep[], onBlocked: OnBlocked): Promise<void> {
  for (const step of steps) {
    try {
      await retryWhileBlocked(`${step.table}: ${step.does}`, onBlocked, () => runStep(db, step));
    } catch (error) {
      // After the last batch, the platform wrote a row that violates the check. The next round corrects the row.
      if (sqlstateOf(error) === SQLSTATE.checkViolation) return;
      if (error instanceof SchemaVersionError) throw error;
      const detail = error instanceof Error && 'detail' in error && error.detail ? ` (${String(error.detail)})` : '';
      const message = `the table ${step.table} cannot be adopted: ${step.does}: ${messageOf(error)}${detail}`;
      throw new SchemaVersionError(message, { cause: error });
    }
  }
}

async function runStep<DB>(db: Kysely<DB>, { statements, mode }: AdoptionStep): Promise<void> {
  if (mode === 'alone') return runAlone(db, statements);
  for (let changed = 1n; changed > 0n; ) {
    changed = await db.transaction().execute(async (tx) => {
      await sql`set local lock_timeout to ${sql.lit(LOCK_TIMEOUT_MS)}`.execute(tx);
      await sql`set local statement_timeout to 0`.execute(tx);
      let last = 0n;
      for (const statement of statements) last = (await statement.execute(tx)).numAffectedRows ?? 0n;
      return mode === 'repeated' ? last : 0n;
    });
  }
}

/** Runs statements that block no reader and no writer, and that may therefore wait for locks without a limit. */
async function runAlone<DB>(db: Kysely<DB>, statements: AdoptionStep['statements']): Promise<void> {
  await db.connection().execute(async (connection) => {
    await sql`set lock_timeout to 0`.execute(connection);
    await sql`set statement_timeout to 0`.execute(connection);
    try {
      for (const statement of statements) await statement.execute(connection);
    } finally {
      await sql`reset lock_timeout`.execute(connection);
      await sql`reset statement_timeout`.execute(connection);
    }
  });
}
