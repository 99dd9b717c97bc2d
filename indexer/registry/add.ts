import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/database.ts';
import type { DB } from '../db/schema.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { IndexerError } from '../kernel/errors.ts';
import { registerContract } from '../progress/contract-registration.ts';
import { chooseProtocol, DEFAULT_ABI_VERSION } from '../protocols/protocols.ts';
import { insertPlaceholders } from './placeholders.ts';

/** A contract to follow, as the command line or an import file names it. Addresses are lower case. */
export type ContractSpec = {
  readonly chainId: number;
  readonly address: Hex;
  /** Where its history begins; undefined: found by asking the chain. */
  readonly fromBlock: number | undefined;
} & (
  | { readonly kind: 'master'; readonly masterId: string | undefined }
  | { readonly kind: 'dividend'; readonly masterContract: Hex | undefined }
  | { readonly kind: 'artist_token'; readonly artistId: string | undefined }
  | { readonly kind: 'pool'; readonly type: string; readonly token0: Hex; readonly token1: Hex }
);

/** What adding did: a contract that was followed already is `unchanged`, one that was removed is `restored`. */
export type Added = {
  readonly kind: ContractKind;
  readonly address: Hex;
  readonly outcome: 'added' | 'restored' | 'unchanged';
};

/**
 * Registers contracts, all or none. Where the platform has no row for one, it gets a row, and where that needs an artist or a
 * master that nobody named, placeholders. Repeating it changes nothing; an earlier `fromBlock` than the known one counts.
 *
 * @throws {IndexerError} when a named master, artist, master contract or pool token is not there, or is taken.
 */
export async function addContracts(database: Database, specs: readonly ContractSpec[]): Promise<readonly Added[]> {
  for (const spec of specs) {
    const chosen = chooseProtocol({
      kind: spec.kind,
      abiVersion: DEFAULT_ABI_VERSION,
      poolType: 'type' in spec ? spec.type : null,
    });
    if ('refusal' in chosen) throw new IndexerError(`${spec.kind} ${spec.address}: ${chosen.refusal}`);
  }
  // A pool needs its token's row, a dividend contract its master's: whatever the order they were named in.
  const order: readonly ContractKind[] = ['master', 'artist_token', 'dividend', 'pool'];
  const sorted = [...specs].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  return transaction(database, async (tx) => {
    const added: Added[] = [];
    for (const spec of sorted) added.push(await addContract(tx, spec));
    for (const chainId of new Set(specs.map((spec) => spec.chainId))) {
      await sql`select pg_notify('indexer_contracts', ${String(chainId)})`.execute(tx);
    }
    return added;
  });
}

async function addContract(tx: Transaction, spec: ContractSpec): Promise<Added> {
  const platform = (await findPlatformRow(tx, spec)) ?? (await insertPlatformRow(tx, spec));
  const { chainId, address, kind, fromBlock } = spec;
  const registration = { chainId, address, kind, platformId: platform.id, abiVersion: platform.abiVersion };
  const outcome = await registerContract(tx, { ...registration, deployedAtBlock: fromBlock });
  return { kind, address, outcome };
}

type PlatformRow = { readonly id: string; readonly abiVersion: string };

async function findPlatformRow(
  tx: Transaction,
  { kind, chainId, address }: ContractSpec,
): Promise<PlatformRow | undefined> {
  const chain = String(chainId);
  const query = {
    master: sql<{ id: string; abi_version: string | null }>`
      select id, abi_version from master_contracts where chain_id = ${chain} and contract_address = ${address}`,
    dividend: sql<{ id: string; abi_version: string | null }>`
      select id, null as abi_version from dividend_contracts where chain_id = ${chain} and contract_address = ${address}`,
    artist_token: sql<{ id: string; abi_version: string | null }>`
      select id, null as abi_version from artist_tokens where chain_id = ${chain} and contract_address = ${address}`,
    pool: sql<{ id: string; abi_version: string | null }>`
      select id, null as abi_version from liquidity_pools where chain_id = ${chain} and pool_address = ${address}`,
  }[kind];
  const row = (await query.execute(tx)).rows[0];
  return row && { id: row.id, abiVersion: row.abi_version ?? DEFAULT_ABI_VERSION };
}

async function insertPlatformRow(tx: Transaction, spec: ContractSpec): Promise<PlatformRow> {
  const insert = { master: insertMaster, dividend: insertDividend, artist_token: insertToken, pool: insertPool }[
    spec.kind
  ] as (tx: Transaction, spec: ContractSpec) => Promise<string>;
  return { id: await insert(tx, spec), abiVersion: DEFAULT_ABI_VERSION };
}

type SpecOf<K extends ContractKind> = Extract<ContractSpec, { kind: K }>;

async function insertMaster(tx: Transaction, { chainId, address, masterId }: SpecOf<'master'>): Promise<string> {
  if (masterId !== undefined) {
    await require(tx, sql`select 1 from masters where id = ${masterId}`, `there is no master ${masterId}`);
    const { rows } = await sql<{ contract_address: string }>`
      select contract_address from master_contracts where master_id = ${masterId} and chain_id = ${String(chainId)}
    `.execute(tx);
    if (rows[0] !== undefined) {
      throw new IndexerError(
        `master ${masterId} already has a contract on chain ${chainId}: ${rows[0].contract_address}`,
      );
    }
  }
  const owner = masterId ?? (await insertPlaceholders(tx, chainId, address)).masterId;
  const { rows } = await sql<{ id: string }>`
    insert into master_contracts (id, master_id, chain_id, contract_address)
    values (indexer.derived_id(${`master_contracts:${chainId}:${address}`}), ${owner}, ${String(chainId)}, ${address})
    returning id
  `.execute(tx);
  return idOf(rows);
}

async function insertDividend(
  tx: Transaction,
  { chainId, address, masterContract }: SpecOf<'dividend'>,
): Promise<string> {
  let masterId: string;
  if (masterContract === undefined) {
    masterId = (await insertPlaceholders(tx, chainId, address)).masterId;
  } else {
    const { rows } = await sql<{ master_id: string }>`
      select master_id from master_contracts where chain_id = ${String(chainId)} and contract_address = ${masterContract}
    `.execute(tx);
    if (rows[0] === undefined) {
      throw new IndexerError(`${masterContract} is no registered master contract of chain ${chainId}; add it first`);
    }
    masterId = rows[0].master_id;
  }
  const { rows } = await sql<{ id: string }>`
    insert into dividend_contracts (id, master_id, distribution_model, chain_id, contract_address, linked_master_contract)
    values (indexer.derived_id(${`dividend_contracts:${chainId}:${address}`}), ${masterId}, 'per_master', ${String(chainId)},
      ${address}, ${masterContract ?? null})
    returning id
  `.execute(tx);
  return idOf(rows);
}

async function insertToken(tx: Transaction, { chainId, address, artistId }: SpecOf<'artist_token'>): Promise<string> {
  if (artistId !== undefined) {
    await require(tx, sql`select 1 from artists where id = ${artistId}`, `there is no artist ${artistId}`);
    const { rows } = await sql<{ contract_address: string }>`
      select contract_address from artist_tokens where artist_id = ${artistId} and chain_id = ${String(chainId)}
    `.execute(tx);
    if (rows[0] !== undefined) {
      throw new IndexerError(`artist ${artistId} already has a token on chain ${chainId}: ${rows[0].contract_address}`);
    }
  }
  const owner = artistId ?? (await insertPlaceholders(tx, chainId, address)).artistId;
  const { rows } = await sql<{ id: string }>`
    insert into artist_tokens (id, artist_id, chain_id, contract_address, name, symbol)
    values (indexer.derived_id(${`artist_tokens:${chainId}:${address}`}), ${owner}, ${String(chainId)}, ${address}, '', '')
    returning id
  `.execute(tx);
  return idOf(rows);
}

async function insertPool(
  tx: Transaction,
  { chainId, address, type, token0, token1 }: SpecOf<'pool'>,
): Promise<string> {
  const { rows: tokens } = await sql<{ id: string }>`
    select id from artist_tokens where chain_id = ${String(chainId)} and contract_address in (${token0}, ${token1})
    order by contract_address = ${token0} desc limit 1
  `.execute(tx);
  if (tokens[0] === undefined) {
    throw new IndexerError(
      `neither ${token0} nor ${token1}, the tokens of pool ${address}, is a registered artist token of chain ${chainId}; add one first`,
    );
  }
  const { rows } = await sql<{ id: string }>`
    insert into liquidity_pools (id, artist_token_id, chain_id, pool_address, pool_type, token0_address, token1_address)
    values (indexer.derived_id(${`liquidity_pools:${chainId}:${address}`}), ${tokens[0].id}, ${String(chainId)}, ${address},
      ${type}, ${token0}, ${token1})
    returning id
  `.execute(tx);
  return idOf(rows);
}

async function require(tx: Kysely<DB>, query: ReturnType<typeof sql>, otherwise: string): Promise<void> {
  if ((await query.execute(tx)).rows.length === 0) throw new IndexerError(otherwise);
}

function idOf(rows: readonly { id: string }[]): string {
  const [row] = rows;
  if (row === undefined) throw new IndexerError('an inserted row came back without its id');
  return row.id;
}
