import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Hex } from '../kernel/chain.ts';
import { recordIdentity } from '../progress/contract-registration.ts';
import { type Identity, protocolKey } from '../protocols/protocol.ts';
import { chooseProtocol, type ProtocolSelector, protocols } from '../protocols/protocols.ts';
import type { ChainReader } from '../protocols/shared/chain-reader.ts';
import { platformTableOf } from './contract-rows.ts';
import type { RegisteredContract } from './contracts.ts';

/** What was found at the address of a contract that has code. */
export type Found = Pick<Identity, 'speaks' | 'note'> & {
  /** Whether the registry must be read again, because the decision whether the contract can be followed may change. */
  readonly isNews: boolean;
};

/**
 * Reads from the chain whether a contract is what it was registered as. Also reads its name, symbol, decimals or tokens, and stores them
 * in the platform's row. Writes only columns that mirror the chain. An empty answer does not replace a value.
 *
 * @returns null if the address has no code, because the contract was announced but is not deployed yet. Call it again later
 */
export async function refreshMetadata(
  db: Kysely<DB>,
  reader: ChainReader,
  contract: RegisteredContract,
  head: number,
  signal: AbortSignal,
): Promise<Found | null> {
  if ((await reader.codeAt(contract.address, head, signal)) === false) {
    const note = 'there is no code at its address';
    if (contract.identityNote !== note) await recordIdentity(db, contract, { comparedWith: null, speaks: null, note });
    return null;
  }
  const { columns, poolType, comparedWith, speaks, note } = await identifyContract(reader, contract, signal);
  await saveColumns(db, contract, columns, poolType);
  await recordIdentity(db, contract, { comparedWith, speaks, note });
  const isNews = poolType !== undefined || (speaks === false) !== (contract.identityFault !== null);
  if (isNews) await sql`select pg_notify('indexer_contracts', ${String(contract.chainId)})`.execute(db);
  return { speaks, note, isNews };
}

/** A contract's identity, the protocol with which it was compared, and its true pool type if the registry has another one. */
type Compared = Omit<Identity, 'poolType'> & { readonly comparedWith: string; readonly poolType?: string | undefined };

/** Returns what a contract reports of itself, compared with the protocol that it was registered for. */
export async function identifyContract(
  reader: ChainReader,
  contract: ProtocolSelector & { readonly address: Hex; readonly poolType: string | null },
  signal: AbortSignal,
): Promise<Compared> {
  const { kind, address, poolType } = contract;
  const chosen = chooseProtocol(contract);
  // If no protocol fits the registered kind, version and pool type, the pool type may be wrong. Try all protocols of the kind.
  const candidates = 'protocol' in chosen ? [chosen.protocol] : protocols.filter((protocol) => protocol.kind === kind);
  let compared: Compared = { columns: {}, speaks: null, note: null, comparedWith: '' };
  for (const protocol of candidates) {
    const { identify: read, poolTypes } = protocol;
    const identity = (await read?.(reader, address, signal)) ?? { columns: {}, speaks: null, note: null };
    compared = { ...identity, comparedWith: protocolKey(protocol) };
    if (identity.speaks !== true) continue;
    const fits = poolType === null || poolTypes === undefined || poolTypes.includes(poolType);
    return fits ? compared : { ...compared, poolType: poolTypes[0] };
  }
  return compared.poolType === poolType ? { ...compared, poolType: undefined } : compared;
}

async function saveColumns(
  db: Kysely<DB>,
  contract: RegisteredContract,
  columns: Identity['columns'],
  poolType: string | undefined,
): Promise<void> {
  const changes = Object.entries(columns).flatMap(([column, text]) =>
    text === null ? [] : [sql`${sql.ref(column)} = coalesce(nullif(${text}::text, ''), ${sql.ref(column)}, '')`],
  );
  if (poolType !== undefined) changes.push(sql`pool_type = ${poolType}::text::pool_type`);
  if (changes.length === 0) return;
  await sql`
    update ${sql.table(platformTableOf(contract.kind))} set ${sql.join(changes)}, updated_at = now() where id = ${contract.platformId}
  `.execute(db);
}
