import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describedTables } from '../../indexer/protocols/protocols.ts';
import { TYPES_FILE } from '../kit/generate-types.ts';

/**
 * Tables that no protocol describes, each with the reason. Without a description, `digest`, purges and initial loads ignore a table. A
 * table that mirrors the chain must have a description instead.
 */
const UNDESCRIBED: Readonly<Record<string, string>> = {
  users: 'placeholders for owners that were not named',
  artists: 'placeholders',
  masters: 'placeholders',
  'indexer.backfills': 'requests of operators',
  'indexer.block_checkpoints': 'last blocks of commits, which depend on the route',
  'indexer.chains': 'progress',
  'indexer.contracts': 'the registry and progress',
  'indexer.created_tables': 'what migrations created',
  'indexer.deferred_indexes': 'indexes that an initial load builds at its end',
  'indexer.distribution_sums': 'what the stage `dividends` remembers of facts',
  'indexer.dividend_anomalies': 'a view',
  'indexer.dividend_masters': 'links of the platform and of operators',
  'indexer.dividend_progress': 'progress',
  'indexer.history_changes': 'changes that stages have yet to unwind',
  'indexer.sweeps': 'progress',
  'indexer.sweep_values': 'what sweeps remember of facts',
  'indexer.reorgs': 'a record of unwinds, which depend on the route',
  'indexer.doubts': 'contradictions, which depend on the route',
  'indexer.endpoint_spending': 'what endpoints cost',
  'indexer.failed_proofs': 'progress',
  'indexer.repairs': 'a record of repairs, which depend on the route',
  'indexer.holdings_due': 'work that the stage `dividends` has yet to do',
  'indexer.master_holdings': 'what the stage `dividends` remembers of facts',
  'indexer.platform_dividend_masters': 'a view',
  'indexer.snapshot_requests': 'requests of operators and of each day',
  'indexer.snapshot_settings': 'choices of operators, and progress',
  'indexer.stages': 'progress',
  'indexer.token_uri_progress': 'progress',
  'indexer.token_uri_ranges': 'progress',
  'indexer.token_uri_reads': 'progress',
  'indexer.token_uri_retries': 'progress',
  'indexer.verifications': 'results of scheduled verifications',
};

const PROGRAM = fileURLToPath(new URL('../../indexer/', import.meta.url));
/** Matches write statements, but not `for update of`, `for no key update` and `do update set`. */
const SQL_WRITE = /(?<!for |for no key |do )\b(?:insert into|update|delete from|merge into|truncate|copy) ([a-z_.]+)/g;
const KYSELY_WRITE = /\.(?:insertInto|updateTable|deleteFrom|mergeInto)\('([a-z_.]+)'/g;

const nameOf = ({ schema, name }: { readonly schema: string; readonly name: string }) =>
  schema === 'public' ? name : `${schema}.${name}`;
const described: ReadonlySet<string> = new Set(describedTables.map(nameOf));

/** Every table of the database that the checked-in types list. Tables of `indexer` are named with their schema. */
const tables: ReadonlySet<string> = new Set(
  [...readFileSync(TYPES_FILE, 'utf8').matchAll(/^ {2}"?([a-z_.]+)"?: [A-Z]\w+;$/gm)].map(([, name = '']) => name),
);

/** Returns the tables that the program's source text writes to. */
function writtenTables(): ReadonlySet<string> {
  const files = readdirSync(PROGRAM, { recursive: true, encoding: 'utf8' });
  const texts = files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(PROGRAM, file), 'utf8').replaceAll(/\s+/g, ' '));
  const names = texts.flatMap((text) =>
    [...text.matchAll(SQL_WRITE), ...text.matchAll(KYSELY_WRITE)].map(([, name = '']) => name.replace(/^public\./, '')),
  );
  // The patterns also match text in comments, so keep only names of tables.
  return new Set(names.filter((name) => tables.has(name)));
}

const isKnown = (name: string) => described.has(name) || name in UNDESCRIBED;

test('every table of the machinery has a description or a reason here', () => {
  const machinery = [...tables].filter((name) => name.startsWith('indexer.'));
  expect(machinery.length).toBeGreaterThan(10);
  expect(machinery.filter((name) => !isKnown(name))).toEqual([]);
});

test('every table that the program writes has a description or a reason here', () => {
  const written = [...writtenTables()];
  expect(written.length).toBeGreaterThan(20);
  expect(written.filter((name) => !isKnown(name))).toEqual([]);
});

test('no table is listed here that has a description or is never written', () => {
  const written = writtenTables();
  const stale = Object.keys(UNDESCRIBED).filter(
    (name) => described.has(name) || !(written.has(name) || (tables.has(name) && name.startsWith('indexer.'))),
  );
  expect(stale).toEqual([]);
});
