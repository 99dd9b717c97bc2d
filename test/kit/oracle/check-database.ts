import type { Hex } from 'viem';
import type { Queryable } from '../queryable.ts';
import { compareTables, describeDifferences, type TableComparison } from './compare.ts';
import type { Kind } from './events.ts';
import type { Tables } from './fact-rows.ts';
import type { OracleContract } from './facts.ts';
import { expectedOf, type LiveChain } from './live-chain.ts';
import { offeringRows } from './oracle.ts';
import { COMPARED_TABLES, readStored } from './stored.ts';

/** A contract to compare. */
export type Subject = {
  readonly kind: Kind;
  /** In lower case. */
  readonly address: Hex;
  /** False if calls to the contract do not match its logs, as for a contract on a chain in memory. */
  readonly readable?: false;
};

/** The result of a comparison. */
export type Comparison = {
  readonly tables: readonly TableComparison[];
  /** Problems other than rows: an unknown head, incomplete contracts, contradictions within the chain. */
  readonly problems: readonly string[];
};

/**
 * Compares every row of the database with an independent computation from the chain, at the head of the database. Neither may
 * change meanwhile.
 */
export async function compareWithChain(
  db: Queryable,
  chain: LiveChain,
  subjects: readonly Subject[],
): Promise<Comparison> {
  const { client, chainId } = chain;
  const head = await headOf(db, chainId);
  if (head === undefined) return { tables: [], problems: [`the database has no head of chain ${chainId}`] };
  const block = await client.getBlock({ blockNumber: BigInt(head.number) }).catch(() => undefined);
  if (block?.hash !== head.hash) {
    const problem = `the database's head is block ${head.number} ${head.hash}, but the chain has ${block?.hash} at this height`;
    return { tables: [], problems: [problem] };
  }
  const { contracts, offerings } = await readRegistry(db, chainId, subjects);
  const unreadable = subjects.flatMap(({ readable, address }) => (readable === false ? address : []));
  const expected = await expectedOf(chain, head.number, contracts, unreadable);
  const tables = new Map(expected.tables);
  tables.set('master_ipos', offeringRows(contracts, tables.get('master_contracts') ?? [], offerings));
  const stored = onlyOf(subjects, offerings, (await readStored(db, [chainId])).tables);
  const incomplete = await incompleteContracts(db, chainId, head.number, subjects);
  return {
    tables: compareTables(tables, stored),
    problems: [...expected.contradictions, ...incomplete.map((address) => `contracts: ${address} is not complete`)],
  };
}

/** Returns a sentence for every problem and difference. Returns none if the database equals the chain. */
export function describeComparison({ tables, problems }: Comparison): string[] {
  return [...problems, ...describeDifferences(tables.flatMap(({ differences }) => differences))];
}

/** Returns the head of a chain in the database, if it has one. */
export async function headOf(db: Queryable, chainId: number): Promise<{ number: number; hash: Hex } | undefined> {
  const { rows } = await db.query('select head_number, head_hash from indexer.chains where chain_id = $1', [chainId]);
  const row = rows[0];
  if (row === undefined || row.head_number === null) return undefined;
  return { number: Number(row.head_number), hash: row.head_hash as Hex };
}

/** Returns the contracts that are not followed, or whose history up to block `head` (inclusive) has gaps. */
export async function incompleteContracts(
  db: Queryable,
  chainId: number,
  head: number,
  subjects: readonly Subject[],
): Promise<Hex[]> {
  const { rows } = await db.query(
    `select address from indexer.contracts
     where chain_id = $1 and status = 'active' and int8multirange(int8range(coalesce(deployed_at_block, 0), $2::bigint + 1))
       <@ (covered + case when live_from is null then '{}' else int8multirange(int8range(live_from, $2::bigint + 1)) end)`,
    [chainId, head],
  );
  const complete = new Set(rows.map(({ address }) => address));
  return [...new Set(subjects.map(({ address }) => address))].filter((address) => !complete.has(address));
}

const REGISTRY = `
  select 'master' as kind, contract_address as address, id, master_id, null::uuid as artist_token_id, null as linked_master,
      (select artist_id from masters where id = master_id) as artist_id, null as model
    from master_contracts where chain_id = $1
  union all select 'dividend', contract_address, id, master_id, null, lower(linked_master_contract),
      coalesce(artist_id, (select artist_id from masters where id = master_id)), distribution_model::text
    from dividend_contracts where chain_id = $1
  union all select 'artist_token', contract_address, id, null, id, null, null, null from artist_tokens where chain_id = $1
  union all select 'pool', pool_address, id, null, artist_token_id, null, null, null from liquidity_pools where chain_id = $1`;

/** Reads the ids in the platform's rows of some contracts, and which of their masters have an offering (`master_ipos`). */
export async function readRegistry(
  db: Queryable,
  chainId: number,
  subjects: readonly Subject[],
): Promise<{ readonly contracts: OracleContract[]; readonly offerings: ReadonlySet<string> }> {
  const { rows } = await db.query(REGISTRY, [String(chainId)]);
  const registered = await db.query(
    "select kind, address, coalesce(upgrades -> -1 ->> 'abiVersion', abi_version) as abi_version from indexer.contracts where chain_id = $1",
    [chainId],
  );
  const versions = new Map(registered.rows.map((row) => [`${row.kind} ${row.address}`, String(row.abi_version)]));
  const contracts = subjects.map(({ kind, address }): OracleContract => {
    const row = rows.find((candidate) => candidate.kind === kind && candidate.address === address);
    const id = (column: string) => (row?.[column] ?? null) as string | null;
    const ids = { platformId: id('id'), masterId: id('master_id'), artistTokenId: id('artist_token_id') };
    const links = { linkedMaster: id('linked_master') as Hex | null, artistId: id('artist_id') };
    const abiVersion = versions.get(`${kind} ${address}`) ?? '1.0';
    return { chainId, address, kind, ...ids, ...links, model: id('model') ?? 'per_master', abiVersion };
  });
  const masterIds = contracts.flatMap(({ kind, masterId }) => (kind === 'master' && masterId !== null ? masterId : []));
  const offered = await db.query('select master_id from master_ipos where master_id = any($1)', [masterIds]);
  return { contracts, offerings: new Set(offered.rows.map(({ master_id: id }) => String(id))) };
}

/** Returns contracts without ids, for a chain about which the platform has no rows. */
export function unregistered(chainId: number, subjects: readonly Subject[]): OracleContract[] {
  const ids = { platformId: null, masterId: null, artistTokenId: null, linkedMaster: null };
  return subjects.map(({ kind, address }) => ({ chainId, kind, address, ...ids }));
}

/** Returns the stored rows that belong to these contracts. */
function onlyOf(subjects: readonly Subject[], offerings: ReadonlySet<string>, stored: Tables): Tables {
  const known = new Set(subjects.flatMap(({ kind, address }) => [address, `${kind} ${address}`]));
  return new Map(
    COMPARED_TABLES.map(({ name, kind }) => {
      const rows = (stored.get(name) ?? []).filter((row) => {
        if (row.contract === undefined) return offerings.has(row.master_id ?? '');
        return known.has(kind === undefined ? `${row.contract}` : `${kind} ${row.contract}`);
      });
      return [name, rows];
    }),
  );
}
