import type { CompiledQuery } from 'kysely';
import pg from 'pg';
import { sqlstateOf } from './sqlstate.ts';

/** The methods of pg's internal connection that `Batch` calls. Other packages, such as pg-cursor and pg-copy-streams, rely on it too. */
type Connection = {
  readonly stream: { cork(): void; uncork(): void };
  parse(query: { readonly name: string; readonly text: string }): void;
  bind(query: {
    readonly statement: string;
    readonly values: readonly unknown[];
    readonly valueMapper: (value: unknown) => unknown;
  }): void;
  execute(query: object): void;
  sync(): void;
  on(event: 'parseComplete', listener: () => void): void;
  off(event: 'parseComplete', listener: () => void): void;
};

/** A statement that is prepared under `name` once on each connection. If the name is empty, the statement is parsed each time. */
export type BatchQuery = { readonly name: string } & Pick<CompiledQuery, 'sql' | 'parameters'>;

/** A statement of a batch failed. PostgreSQL skipped the statements after it. */
export class BatchFailure extends Error {
  readonly statementIndex: number;

  constructor(statementIndex: number, cause: unknown) {
    super(`statement ${statementIndex} of a batch failed`, { cause });
    this.statementIndex = statementIndex;
  }
}

/** pg's own conversion of a value to a parameter. The type definitions of pg lack it. */
const { prepareValue } = (pg as unknown as { readonly utils: { prepareValue(value: unknown): unknown } }).utils;

const prepared = new WeakMap<Connection, Set<string>>();

/**
 * Sends statements in one packet that ends with one `Sync`, without waiting for each result (PostgreSQL manual, 54.2.4 Pipelining).
 * pg's own pipeline mode sends a packet and a `Sync` for each statement. Rows that the statements return are discarded.
 *
 * @throws {BatchFailure} with the first error as its cause. The caller must roll back a transaction that the statements began.
 */
export async function runBatch(client: pg.PoolClient, queries: readonly BatchQuery[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.query(new Batch(queries, (error) => (error === undefined ? resolve() : reject(error))));
  });
}

class Batch {
  readonly #queries: readonly BatchQuery[];
  readonly #parsing: string[] = [];
  #connection: Connection | undefined;
  #parsed = 0;
  #completed = 0;
  /** pg replaces this property with a function that also clears the query timeout. */
  callback: (error?: Error) => void;

  constructor(queries: readonly BatchQuery[], done: (error?: Error) => void) {
    this.#queries = queries;
    this.callback = done;
  }

  submit(connection: unknown): void {
    this.#connection = connection as Connection;
    const { stream } = this.#connection;
    const known = prepared.get(this.#connection) ?? new Set();
    prepared.set(this.#connection, known);
    this.#connection.on('parseComplete', this.#onParsed);
    stream.cork();
    try {
      for (const { name, sql, parameters } of this.#queries) this.#send(this.#connection, known, name, sql, parameters);
    } finally {
      this.#connection.sync();
      stream.uncork();
    }
  }

  #send(connection: Connection, known: Set<string>, name: string, text: string, values: readonly unknown[]): void {
    if (name === '' || !(known.has(name) || this.#parsing.includes(name))) {
      connection.parse({ name, text });
      this.#parsing.push(name);
    }
    connection.bind({ statement: name, values, valueMapper: prepareValue });
    connection.execute({});
  }

  readonly #onParsed = () => {
    prepared.get(this.#connection as Connection)?.add(this.#parsing[this.#parsed++] as string);
  };

  handleRowDescription(): void {}
  handleDataRow(): void {}

  handleCommandComplete(): void {
    this.#completed += 1;
  }

  handleReadyForQuery(): void {
    this.#end();
    this.callback();
  }

  handleError(error: Error): void {
    // An error without an SQLSTATE can be a timeout of the client. The server still answers after it, so the listener stays registered.
    if (sqlstateOf(error) !== undefined) this.#end();
    this.callback(new BatchFailure(this.#completed, error));
  }

  #end(): void {
    this.#connection?.off('parseComplete', this.#onParsed);
  }
}
