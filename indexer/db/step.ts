import type { RawBuilder } from 'kysely';
import type { Transaction } from './transaction.ts';

/** What came of a statement; `affected` rows were inserted, updated, deleted or selected. */
export type StepResult = {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly affected: number;
};

/** One statement of a transaction. Steps are values: who runs them decides whether each waits for the one before. */
export type Step = {
  readonly statement: RawBuilder<unknown>;
  /** Throws where the result shows that the transaction must not be committed. */
  readonly check?: (result: StepResult) => void;
  /** What the result calls for besides, before the step behind this one. */
  readonly next?: (result: StepResult) => readonly Step[];
};

/** Runs steps one behind the other. */
export async function runSteps(tx: Transaction, steps: readonly Step[]): Promise<void> {
  for (const { statement, check, next } of steps) {
    const { rows, numAffectedRows } = await statement.execute(tx);
    const result = { rows: rows as StepResult['rows'], affected: Number(numAffectedRows ?? rows.length) };
    check?.(result);
    if (next !== undefined) await runSteps(tx, next(result));
  }
}
