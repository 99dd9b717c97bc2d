import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import type { PoolType } from '../db/schema.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import { type ContractKind, type Hex, kindName } from '../kernel/chain.ts';
import { IndexerError } from '../kernel/errors.ts';
import { registerContract } from '../progress/contract-registration.ts';
import { chooseProtocol, DEFAULT_ABI_VERSION } from '../protocols/protocols.ts';
import { contractRowId } from './contract-rows.ts';
import { insertPlaceholders } from './placeholders.ts';

/** A contract to follow, as the command line or an import file names it. Addresses are lower case. */
export type ContractSpec = {
  readonly chainId: number;
  readonly address: Hex;
  /** The first block of the contract's history. If undefined, the deployment block is read from the chain. */
  readonly fromBlock: number | undefined;
} & (
  | { readonly kind: 'master'; readonly masterId: string | undefined }
  | { readonly kind: 'dividend'; readonly masterContract: Hex | undefined }
  | { readonly kind: 'artist_token'; readonly artistId: string | undefined }
  | { readonly kind: 'pool'; readonly type: string; readonly token0: Hex; readonly token1: Hex }
);

/** The outcome of adding a contract: `unchanged` if it was followed already, `restored` if it had been removed. */
export type Added = {
  readonly kind: ContractKind;
  readonly address: Hex;
  readonly outcome: 'added' | 'restored' | 'unchanged';
};

/**
 * Registers contracts, all or none. Inserts the platform's row of a contract where it is missing, and placeholders where that row
 * needs an artist or a master that was not named. Repeating it changes nothing, except that an earlier `fromBlock` replaces the
 * recorded one.
 *
 * @throws {IndexerError} if a named master, artist or master contract does not exist, if the master or artist already has a contract on
 *   the chain, if no token of a pool is a registered artist token, or if this program has no protocol for a pool of this type.
 */
export async function addContracts(database: Database, specs: readonly ContractSpec[]): Promise<readonly Added[]> {
  for (const spec of specs) {
    const chosen = chooseProtocol({
      kind: spec.kind,
      abiVersion: DEFAULT_ABI_VERSION,
      poolType: 'type' in spec ? spec.type : null,
    });
    if ('refusal' in chosen) throw new IndexerError(`${kindName(spec.kind)} ${spec.address}: ${chosen.refusal}`);
  }
  // Insert referenced rows first: a pool references the row of its token, and a dividend contract the row of its master.
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
  const row = await platformRowQuery(tx, kind, String(chainId), address).executeTakeFirst();
  return row && { id: row.id, abiVersion: row.abi_version ?? DEFAULT_ABI_VERSION };
}

function platformRowQuery(tx: Transaction, kind: ContractKind, chain: string, address: Hex) {
  const noVersion = sql<string | null>`null`.as('abi_version');
  switch (kind) {
    case 'master':
      return tx
        .selectFrom('master_contracts')
        .select(['id', 'abi_version'])
        .where('chain_id', '=', chain)
        .where('contract_address', '=', address);
    case 'dividend':
      return tx
        .selectFrom('dividend_contracts')
        .select(['id', noVersion])
        .where('chain_id', '=', chain)
        .where('contract_address', '=', address);
    case 'artist_token':
      return tx
        .selectFrom('artist_tokens')
        .select(['id', noVersion])
        .where('chain_id', '=', chain)
        .where('contract_address', '=', address);
    case 'pool':
      return tx
        .selectFrom('liquidity_pools')
        .select(['id', noVersion])
        .where('chain_id', '=', chain)
        .where('pool_address', '=', address);
  }
}

async function insertPlatformRow(tx: Transaction, spec: ContractSpec): Promise<PlatformRow> {
  return { id: await insertRowOf(tx, spec), abiVersion: DEFAULT_ABI_VERSION };
}

function insertRowOf(tx: Transaction, spec: ContractSpec): Promise<string> {
  switch (spec.kind) {
    case 'master':
      return insertMaster(tx, spec);
    case 'dividend':
      return insertDividend(tx, spec);
    case 'artist_token':
      return insertToken(tx, spec);
    case 'pool':
      return insertPool(tx, spec);
  }
}

type SpecOf<K extends ContractKind> = Extract<ContractSpec, { kind: K }>;

async function insertMaster(tx: Transaction, { chainId, address, masterId }: SpecOf<'master'>): Promise<string> {
  const chain = String(chainId);
  if (masterId !== undefined) {
    const master = await tx.selectFrom('masters').select('id').where('id', '=', masterId).executeTakeFirst();
    if (master === undefined) throw new IndexerError(`there is no master ${masterId}`);
    const existing = await tx
      .selectFrom('master_contracts')
      .select('contract_address')
      .where('master_id', '=', masterId)
      .where('chain_id', '=', chain)
      .executeTakeFirst();
    if (existing !== undefined) {
      throw new IndexerError(
        `master ${masterId} already has a contract on chain ${chainId}: ${existing.contract_address}`,
      );
    }
  }
  const { id } = await tx
    .insertInto('master_contracts')
    .values({
      id: contractRowId('master_contracts', chainId, address),
      master_id: masterId ?? (await insertPlaceholders(tx, chainId, address)).masterId,
      chain_id: chain,
      contract_address: address,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

async function insertDividend(
  tx: Transaction,
  { chainId, address, masterContract }: SpecOf<'dividend'>,
): Promise<string> {
  const { id } = await tx
    .insertInto('dividend_contracts')
    .values({
      id: contractRowId('dividend_contracts', chainId, address),
      master_id:
        masterContract === undefined
          ? (await insertPlaceholders(tx, chainId, address)).masterId
          : await masterOf(tx, chainId, masterContract),
      distribution_model: 'per_master',
      chain_id: String(chainId),
      contract_address: address,
      linked_master_contract: masterContract ?? null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

async function masterOf(tx: Transaction, chainId: number, masterContract: Hex): Promise<string> {
  const master = await tx
    .selectFrom('master_contracts')
    .select('master_id')
    .where('chain_id', '=', String(chainId))
    .where('contract_address', '=', masterContract)
    .executeTakeFirst();
  if (master === undefined) {
    throw new IndexerError(`${masterContract} is not a registered master contract of chain ${chainId}; add it first`);
  }
  return master.master_id;
}

async function insertToken(tx: Transaction, { chainId, address, artistId }: SpecOf<'artist_token'>): Promise<string> {
  const chain = String(chainId);
  if (artistId !== undefined) {
    const artist = await tx.selectFrom('artists').select('id').where('id', '=', artistId).executeTakeFirst();
    if (artist === undefined) throw new IndexerError(`there is no artist ${artistId}`);
    const existing = await tx
      .selectFrom('artist_tokens')
      .select('contract_address')
      .where('artist_id', '=', artistId)
      .where('chain_id', '=', chain)
      .executeTakeFirst();
    if (existing !== undefined) {
      throw new IndexerError(
        `artist ${artistId} already has a token on chain ${chainId}: ${existing.contract_address}`,
      );
    }
  }
  const { id } = await tx
    .insertInto('artist_tokens')
    .values({
      id: contractRowId('artist_tokens', chainId, address),
      artist_id: artistId ?? (await insertPlaceholders(tx, chainId, address)).artistId,
      chain_id: chain,
      contract_address: address,
      name: '',
      symbol: '',
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

async function insertPool(
  tx: Transaction,
  { chainId, address, type, token0, token1 }: SpecOf<'pool'>,
): Promise<string> {
  const token = await tx
    .selectFrom('artist_tokens')
    .select('id')
    .where('chain_id', '=', String(chainId))
    .where('contract_address', 'in', [token0, token1])
    .orderBy((eb) => eb('contract_address', '=', token0), 'desc')
    .limit(1)
    .executeTakeFirst();
  if (token === undefined) {
    throw new IndexerError(
      `neither ${token0} nor ${token1}, the tokens of pool ${address}, is a registered artist token of chain ${chainId}; add one first`,
    );
  }
  const { id } = await tx
    .insertInto('liquidity_pools')
    .values({
      id: contractRowId('liquidity_pools', chainId, address),
      artist_token_id: token.id,
      chain_id: String(chainId),
      pool_address: address,
      pool_type: type as PoolType,
      token0_address: token0,
      token1_address: token1,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}
