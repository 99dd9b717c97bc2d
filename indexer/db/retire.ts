import type pg from 'pg';
import { makesConnectionUnusable, SQLSTATE } from './sqlstate.ts';

/**
 * The maximum age of a pooled connection. A connection that was opened during a failover, after the last refused write, may still lead to
 * the old primary. As long as it only reads, no error reveals this.
 */
export const CONNECTION_LIFETIME_SECONDS = 60;

/** The part of pg's client that emits the errors that the server sends. */
type Erring = {
  readonly connection: {
    on(event: 'errorMessage', listener: (error: Error & { readonly code?: string }) => void): void;
  };
};

/**
 * Closes a pooled connection after an error that makes it unusable, as soon as the connection is released to its pool.
 *
 * After a failover the old primary may keep its connections and refuse writes on them, while new connections reach the new primary. When
 * a write is refused, all open connections are closed like this, because a connection that only reads would raise no error and return old
 * rows.
 */
export function retireConnections(pools: readonly pg.Pool[]): void {
  let usable = new WeakSet<pg.PoolClient>();
  const retireAll = () => {
    usable = new WeakSet();
    for (const pool of pools) for (let idle = pool.idleCount; idle > 0; idle -= 1) pool.connect().then(release, ignore);
  };
  const onError = (client: pg.PoolClient, error: Error & { readonly code?: string }) => {
    if (!makesConnectionUnusable(error) || !usable.has(client)) return;
    if (error.code === SQLSTATE.readOnlyTransaction) retireAll();
    else usable.delete(client);
  };
  for (const pool of pools) {
    pool.on('connect', (client) => {
      usable.add(client);
      (client as unknown as Erring).connection.on('errorMessage', (error) => onError(client, error));
    });
    // The pool removes a released client that is ending, instead of lending it again.
    pool.on('release', (_, client) => {
      if (!usable.has(client)) client.end().catch(ignore);
    });
  }
}

function release(client: pg.PoolClient): void {
  client.release();
}

function ignore(): void {}
