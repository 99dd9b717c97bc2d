import type pg from 'pg';

/** Simulates the effects of a database failover on clients. */
export class Failover {
  readonly #admin: pg.Client | pg.Pool;

  constructor(admin: pg.Client | pg.Pool) {
    this.#admin = admin;
  }

  /** Makes new connections read-only. They stay read-only even after `end` is called. */
  async begin(): Promise<void> {
    await this.#alter('set default_transaction_read_only = on');
  }

  /** Closes the connections of the program, so that it opens new ones. */
  async disconnectProgram(): Promise<void> {
    await this.#admin.query(`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'indexer%'`);
  }

  /** Lets connections that are opened from now on write again. */
  async end(): Promise<void> {
    await this.#alter('reset default_transaction_read_only');
  }

  async #alter(change: string): Promise<void> {
    const { rows } = await this.#admin.query<{ name: string }>('select quote_ident(current_database()) as name');
    // The connection may itself have been opened as read-only.
    await this.#admin.query(`begin; set transaction read write; alter database ${rows[0]?.name} ${change}; commit`);
  }
}
