import type { Kysely, RawBuilder } from 'kysely';
import type { DB } from './schema.ts';
import { SQLSTATE, sqlstateOf } from './sqlstate.ts';

/** One statement of a transaction. Steps are values: who runs them decides whether each waits for the one before. */
export type Step = {
  readonly statement: RawBuilder<unknown>;
  /** What is wrong where the statement itself refuses to go on, by `indexer.refuse()`. */
  readonly refusal?: () => Error;
  /** What the rows call for besides, before the step behind this one; not asked of steps that run together. */
  readonly next?: (rows: readonly Readonly<Record<string, unknown>>[]) => readonly Step[];
};

/** Runs steps one behind the other. */
export async function runSteps(tx: Kysely<DB>, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    const { rows } = await step.statement.execute(tx).catch((error: unknown) => {
      throw refusalOf(step, error);
    });
    if (step.next !== undefined) await runSteps(tx, step.next(rows as Readonly<Record<string, unknown>>[]));
  }
}

/** What a step's error means. */
export function refusalOf({ refusal }: Step, error: unknown): unknown {
  return (sqlstateOf(error) === SQLSTATE.refused ? refusal?.() : undefined) ?? error;
}
