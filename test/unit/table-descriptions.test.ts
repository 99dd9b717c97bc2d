import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
} from 'kysely';
import { describe, expect, test } from 'vitest';
import type { DB } from '../../indexer/db/schema.ts';
import type { Step } from '../../indexer/db/step.ts';
import type { FactTable, TableDescription } from '../../indexer/facts/fact-table.ts';
import type { FactRange, Fold } from '../../indexer/facts/fold.ts';
import { lockSteps } from '../../indexer/ingest/lock-steps.ts';
import type { ContractKind } from '../../indexer/kernel/chain.ts';
import {
  chooseProtocol,
  describedTables,
  factTables,
  folds,
  protocols,
  stateTables,
} from '../../indexer/protocols/protocols.ts';
import { deletions } from '../../indexer/registry/contract-rows.ts';
import { addressOf, contractOf } from '../kit/event-logs.ts';

const compiler = new Kysely<DB>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});
const KINDS: readonly ContractKind[] = ['master', 'dividend', 'artist_token', 'pool'];
const RANGE: FactRange = { chainId: 1, from: 1, to: 9, contracts: [{ address: addressOf(1), kind: 'pool' }] };

function textOf(statement: RawBuilder<unknown>): string {
  return statement.compile(compiler).sql.replaceAll('"', '').replaceAll('public.', '').replaceAll(/\s+/g, ' ').trim();
}

/** Returns the tables that a statement writes to. */
function writtenTables(text: string): readonly string[] {
  return [...text.matchAll(/\b(?:insert into|delete from|(?<!no key |key )update) ((?:indexer\.)?[a-z_]+)/g)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'set' && name !== 'of');
}

/** Returns the text of every statement of some steps, including the steps that follow from a row. */
function textsOf(steps: readonly Step[]): readonly string[] {
  return steps.flatMap(({ statement, followUp }) => [
    textOf(statement),
    ...textsOf(followUp?.([{ id: contractOf('master', 1).platformId }]) ?? []),
  ]);
}

describe('every table of a protocol', () => {
  test('is in the list that the digest, analyze and deferred indexes loop over', () => {
    const named: readonly TableDescription[] = [
      ...protocols.flatMap((protocol) => [...protocol.factTables, ...protocol.stateTables]),
      ...protocols.flatMap((protocol) => protocol.folds.flatMap(({ reads, writes }) => [reads.table, ...writes])),
    ];
    for (const table of named) expect(describedTables).toContain(table);
    expect(new Set(describedTables.map(({ schema, name }) => `${schema}.${name}`)).size).toBe(describedTables.length);
    for (const { digest } of describedTables) expect(digest.columns.length).toBeGreaterThan(0);
    // Tables of the platform's own rows stay small, and so does the table of dead letters, so they need no statistics.
    const analyzed = describedTables.filter(({ statistics }) => statistics.length > 0).map(({ name }) => name);
    const facts: readonly FactTable[] = protocols.flatMap((protocol) => protocol.factTables);
    for (const { name } of facts) expect(analyzed).toContain(name);
    for (const { isPlatformRow, name } of stateTables)
      expect(analyzed.includes(name)).toBe(isPlatformRow !== true && name !== 'master_ipos');
  });

  test('is deleted from or reset when a contract is purged', () => {
    const statements = KINDS.flatMap((kind) => deletions(contractOf(kind, 7))).map(textOf);
    const deleted = statements.flatMap(writtenTables);
    const reset = stateTables.flatMap((table) => {
      const steps = table.reset?.(compiler.selectFrom('indexer.contracts').select('platform_id')) ?? [];
      return steps.flatMap(({ statement }) => writtenTables(textOf(statement)));
    });
    const withSchema = ({ schema, name }: TableDescription) => (schema === 'public' ? name : `${schema}.${name}`);
    for (const table of factTables) expect(deleted).toContain(withSchema(table));
    for (const table of stateTables) expect([...deleted, ...reset]).toContain(withSchema(table));
    for (const { kind } of protocols) {
      expect(stateTables.filter((table) => table.kind === kind && table.isPlatformRow === true)).toHaveLength(1);
    }
  });

  test('that holds facts is purged for each kind of contract that it holds', () => {
    for (const kind of KINDS) {
      const deleted = deletions(contractOf(kind, 7)).flatMap((statement) => writtenTables(textOf(statement)));
      for (const table of factTables.filter((one) => one.kind === kind || one.kind === null))
        expect(deleted.map((name) => name.replace('indexer.', ''))).toContain(table.name);
    }
  });
});

describe.each(folds)('fold $name', (fold) => {
  test('declares what it writes', () => {
    const texts = textsOf([...fold.apply(RANGE), ...fold.unwind(RANGE)]);
    const facts = factTables.map(({ name }) => name);
    const state = new Set(texts.flatMap(writtenTables).filter((name) => !facts.includes(name)));
    expect([...state].sort()).toEqual(fold.writes.map(({ name }) => name).sort());
  });

  test('reads a table of its protocol', () => {
    const owner = protocols.find((protocol) => protocol.folds.includes(fold));
    expect(owner?.factTables).toContain(fold.reads.table);
  });
});

describe('the locks of a commit', () => {
  const named = (...names: string[]) => folds.filter(({ name }) => names.includes(name));
  const locks = (applied: readonly Fold[]) =>
    [...lockSteps(applied, RANGE)].flatMap(([fold, steps]) =>
      steps.map(({ statement }) => ({ before: fold, text: textOf(statement) })),
    );

  test('come once for each table that several folds write, before the first of them', () => {
    const locked = locks(folds).map(({ before, text }) => ({ before: before.name, table: text.split(' ')[3] }));
    expect(locked).toEqual([
      { before: 'pool-positions', table: 'liquidity_pools' },
      { before: 'mint-order', table: 'master_contracts' },
    ]);
    for (const { before, table } of locked)
      expect(folds.find(({ writes }) => writes.some(({ name }) => name === table))?.name).toBe(before);
  });

  test('are taken in one order, for the contracts that the facts of these folds name', () => {
    const [pools, masters] = locks(folds).map(({ text }) => text);
    expect(pools).toMatch(/order by held\.id for no key update of held$/);
    expect(pools).toMatch(/from indexer\.contract_events where /);
    expect(masters).toMatch(/order by held\.contract_address for no key update of held$/);
    expect(masters).toMatch(/from nft_transfers where .* union .*from indexer\.contract_events where/);
  });

  test('are omitted where only one fold writes, or where the first fold reads all facts that the others read', () => {
    for (const fold of folds) expect(locks([fold])).toEqual([]);
    expect(locks(named('token-balances', 'token-supply'))).toEqual([]);
    expect(locks(named('mint-order', 'master-supply'))).toHaveLength(1);
    expect(locks(named('pool-positions', 'pool-reserves'))).toHaveLength(1);
    // A first fold that reads only some of the facts would lock too few contracts.
    const [supply] = named('master-supply');
    if (supply === undefined) throw new TypeError('there is no fold of supplies');
    expect(locks([supply, { ...supply, name: 'another' }])).toHaveLength(1);
  });
});

describe('the protocol of a contract', () => {
  test('follows from its kind, its pool type and its ABI version', () => {
    for (const protocol of protocols) {
      const { kind, version: abiVersion } = protocol;
      expect(chooseProtocol({ kind, abiVersion })).toEqual({ protocol });
      for (const poolType of protocol.poolTypes ?? [])
        expect(chooseProtocol({ kind, poolType, abiVersion })).toEqual({ protocol });
    }
  });

  test('that does not exist is refused with the supported ones', () => {
    expect(chooseProtocol({ kind: 'pool', poolType: 'uniswap_v3', abiVersion: '1.0' })).toEqual({
      refusal: 'pools of type uniswap_v3 are not supported (supported: uniswap_v2, sushiswap)',
    });
    expect(chooseProtocol({ kind: 'pool', poolType: 'sushiswap', abiVersion: '2.0' })).toEqual({
      refusal: 'unknown ABI version 2.0 (known: 1.0)',
    });
  });
});
