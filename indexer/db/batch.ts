import type { CompiledQuery } from 'kysely';
import pg from 'pg';
import { sqlstateOf } from './sqlstate.ts';

/** The parts of pg's connection that a query which submits itself uses, as pg-cursor and pg-copy-streams do. */
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

/** A statement, prepared under its name once on each connection. */
export type BatchQuery = { readonly name: string } & Pick<CompiledQuery, 'sql' | 'parameters'>;

/** One of the statements failed, and none behind it was run. */
export class BatchFailure extends Error {
  readonly at: number;

  constructor(at: number, cause: unknown) {
    super(`statement ${at} failed`, { cause });
    this.at = at;
  }
}

/** pg's own way to write a value; its types do not know it. */
const { prepareValue } = (pg as unknown as { readonly utils: { prepareValue(value: unknown): unknown } }).utils;

const prepared = new WeakMap<Connection, Set<string>>();

/**
 * Runs statements without waiting for one another's results, sent in one packet that ends in one `Sync` (PostgreSQL manual,
 * 54.2.4 Pipelining); pg's own pipeline mode sends a packet and a `Sync` for each. What they return is not read.
 *
 * @throws {BatchFailure} with the first error as its cause. A transaction that they began is then to be rolled back.
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
  /** pg puts its timeout around it. */
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
    if (!known.has(name) && !this.#parsing.includes(name)) {
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
    // Where it is a timeout, the answers are still to come.
    if (sqlstateOf(error) !== undefined) this.#end();
    this.callback(new BatchFailure(this.#completed, error));
  }

  #end(): void {
    this.#connection?.off('parseComplete', this.#onParsed);
  }
}
