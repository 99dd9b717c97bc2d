import type pg from 'pg';
import type { Database } from '../../indexer/db/database.ts';
import type { Random } from './random.ts';

/**
 * How the program fails: by an exception; by a connection that breaks before the statement is sent, or right after (when it is unknown
 * whether the statement ran); or by a serialization conflict, which the program survives.
 */
type Death = 'exception' | 'lost before' | 'lost after' | 'conflict';

/** The statement at which a process fails, and how. */
export type CrashPlan = { readonly atStatement: number; readonly death: Death };

/** The error of a simulated exception. */
class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';
}

/** More statements than most commits have. */
const STATEMENTS_MAX = 22;

/** Draws at which statement and how a process fails. */
export function drawCrash(random: Random): CrashPlan {
  const death = random.weighted<Death>([
    [3, 'exception'],
    [2, 'lost before'],
    [3, 'lost after'],
    [2, 'conflict'],
  ]);
  return { atStatement: random.between(1, STATEMENTS_MAX), death };
}

/** A database that fails once, at the n-th statement over all transactions (`begin`, COPY and `commit` included). */
export class CrashingDatabase implements Database {
  readonly pool: pg.Pool;
  readonly transactions: Database['transactions'];
  readonly batchPool: pg.Pool;
  readonly kysely: Database['kysely'];
  readonly monitoring: Database['monitoring'];
  readonly pools: Database['pools'];
  readonly sessions: Database['sessions'];
  readonly transactionSettings: Database['transactionSettings'];
  readonly #plan: CrashPlan;
  #statements = 0;
  #fired = false;

  constructor(database: Database, plan: CrashPlan) {
    this.#plan = plan;
    this.kysely = database.kysely;
    this.monitoring = database.monitoring;
    this.pools = database.pools;
    this.transactions = database.transactions;
    this.sessions = database.sessions;
    this.transactionSettings = database.transactionSettings;
    this.pool = this.#crashing(database.pool);
    this.batchPool = this.#crashing(database.batchPool);
  }

  /** Whether the program died. It survives a conflict. */
  get hasCrashed(): boolean {
    return this.#fired && this.#plan.death !== 'conflict';
  }

  async close(): Promise<void> {}

  abandon(): void {}

  #crashing(pool: pg.Pool): pg.Pool {
    return withMethods(pool, { connect: async () => this.#client(await pool.connect()) });
  }

  #client(client: pg.PoolClient): pg.PoolClient {
    let isReleased = false;
    const lose = () => {
      // On a busy machine the answer may arrive before this runs. Another transaction may then have the connection.
      if (!isReleased) loseConnection(client);
    };
    return withMethods(client, {
      query: (...args: unknown[]) => this.#query(client, args, lose),
      release: (error?: Error) => {
        isReleased = true;
        client.release(error);
      },
    });
  }

  #query(client: pg.PoolClient, args: readonly unknown[], lose: () => void): unknown {
    const send = () => (client.query as (...args: readonly unknown[]) => unknown)(...args);
    if (String(args[0]) === 'rollback') return send();
    this.#statements++;
    if (this.#fired || this.#statements !== this.#plan.atStatement) return send();
    this.#fired = true;
    switch (this.#plan.death) {
      case 'exception':
        throw new SimulatedCrash(`at statement ${this.#statements}`);
      case 'conflict':
        throw Object.assign(new Error('could not serialize access'), { code: '40001' });
      case 'lost before':
        lose();
        return send();
      case 'lost after': {
        const answer = send();
        if (isSubmittable(args[0])) setImmediate(lose);
        else lose();
        return answer;
      }
    }
  }
}

/** Returns whether a query is a `COPY` or a batch. */
function isSubmittable(statement: unknown): boolean {
  return typeof statement === 'object' && statement !== null && 'submit' in statement;
}

function loseConnection(client: pg.PoolClient): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

/** Returns a proxy that replaces some methods of an object. */
function withMethods<T extends object>(original: T, methods: Readonly<Record<string, unknown>>): T {
  return new Proxy(original, {
    get(target, name) {
      if (typeof name === 'string' && name in methods) return methods[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
