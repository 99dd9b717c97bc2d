import { EventEmitter } from 'node:events';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { Database } from '../../indexer/db/database.ts';
import { Slots } from '../../indexer/db/slots.ts';
import { longTransaction, transaction } from '../../indexer/db/transaction.ts';

const DAY_MS = 24 * 3_600_000;

type Sent = string | { readonly text: string; readonly query_timeout?: number };

/** Creates a database that only records each statement's text, and the client's timeout if the statement has its own. */
function recorder() {
  const sent: [text: string, timeoutMs: number | undefined][] = [];
  const query = async (query: Sent) => {
    sent.push(typeof query === 'string' ? [query, undefined] : [query.text, query.query_timeout]);
    return { rows: [], command: 'SELECT' };
  };
  const client = Object.assign(new EventEmitter(), { query, release: () => undefined });
  const database = { pool: { connect: async () => client }, transactions: new Slots(1) };
  return { sent, database: database as unknown as Database };
}

test('the client waits a day for every statement of a long transaction, and for its commit, which checks deferred keys', async () => {
  const { sent, database } = recorder();
  await longTransaction(database, async (tx) => sql`select 1`.execute(tx));
  expect(sent.filter(([text]) => text !== 'begin').map(([, timeoutMs]) => timeoutMs)).toEqual(Array(4).fill(DAY_MS));
  expect(sent.at(-1)).toEqual(['commit', DAY_MS]);
});

test('the client waits for a commit of an ordinary transaction as for any statement', async () => {
  const { sent, database } = recorder();
  await transaction(database, async (tx) => sql`select 1`.execute(tx));
  expect(sent.at(-1)).toEqual(['commit', undefined]);
});
