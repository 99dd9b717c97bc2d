import {
  DummyDriver,
  Kysely,
  type OperationNodeSource,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryCreator,
  type RawBuilder,
  sql,
} from 'kysely';
import type { DB } from './schema.ts';
import { SQLSTATE, sqlstateOf } from './sqlstate.ts';

/**
 * One statement of a transaction. Steps are values: `runSteps` runs them one after the other, `batchTransaction` sends them all at
 * once.
 */
export type Step = {
  readonly statement: RawBuilder<unknown>;
  /** Returns the error to throw when the statement calls `indexer.refuse()`, an SQL function that raises SQLSTATE `IX001`. */
  readonly refusal?: () => Error;
  /** Returns steps that the statement's rows require, to be run before the next step. Ignored in a batch, which reads no rows. */
  readonly followUp?: (rows: readonly Readonly<Record<string, unknown>>[]) => readonly Step[];
};

/** Builds statements without a connection. */
const builder = new Kysely<DB>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** Returns a statement that is built by Kysely's typed query builder, to be run later as a step or on any connection. */
export function typedStatement(build: (db: QueryCreator<DB>) => OperationNodeSource): RawBuilder<unknown> {
  return sql`${build(builder)}`;
}

/** Runs steps one after the other. */
export async function runSteps(tx: Kysely<DB>, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    const { rows } = await step.statement.execute(tx).catch((error: unknown) => {
      throw stepError(step, error);
    });
    if (step.followUp !== undefined) await runSteps(tx, step.followUp(rows as Readonly<Record<string, unknown>>[]));
  }
}

/** Returns the step's own error if its statement called `indexer.refuse()`, else the given error. */
export function stepError({ refusal }: Step, error: unknown): unknown {
  return (sqlstateOf(error) === SQLSTATE.refused ? refusal?.() : undefined) ?? error;
}
