import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import { markMetadataRead } from '../progress/contract-registration.ts';
import { type Identity, NotThisProtocol } from '../protocols/protocol.ts';
import { chooseProtocol, protocols } from '../protocols/protocols.ts';
import type { ChainReader } from '../protocols/shared/chain-reader.ts';
import { platformTableOf } from './contract-rows.ts';
import type { RegisteredContract } from './contracts.ts';

/**
 * Reads a contract's name, symbol, decimals or tokens from the chain and stores them in the platform's row. Writes only columns
 * that mirror the chain. An empty answer does not replace a value.
 *
 * @returns false if the address has no code, because the contract was announced but is not deployed yet: call it again later
 */
export async function refreshMetadata(
  db: Kysely<DB>,
  reader: ChainReader,
  contract: RegisteredContract,
  head: number,
  signal: AbortSignal,
): Promise<boolean> {
  if ((await reader.codeAt(contract.address, head, signal)) === false) return false;
  await saveIdentity(db, contract, await identify(reader, contract, signal));
  await markMetadataRead(db, contract);
  return true;
}

/** A contract's identity, and its pool type if the registry has another type than the chain shows. */
type Found = { readonly columns: Identity; readonly poolType?: string | undefined };

async function identify(reader: ChainReader, contract: RegisteredContract, signal: AbortSignal): Promise<Found> {
  const { kind, address, poolType } = contract;
  const chosen = chooseProtocol(contract);
  // If the registry selects no protocol, its pool type may be wrong. Try all protocols of the kind.
  const candidates = 'protocol' in chosen ? [chosen.protocol] : protocols.filter((protocol) => protocol.kind === kind);
  let found: Found = { columns: {} };
  for (const { identify: read, poolTypes } of candidates) {
    try {
      const columns = (await read?.(reader, address, signal)) ?? {};
      const isOther = poolType !== null && poolTypes?.includes(poolType) === false && Object.keys(columns).length > 0;
      return { columns, poolType: isOther ? poolTypes?.[0] : undefined };
    } catch (error) {
      if (!(error instanceof NotThisProtocol)) throw error;
      found = { columns: error.identity, poolType: error.poolType };
    }
  }
  return found;
}

async function saveIdentity(db: Kysely<DB>, contract: RegisteredContract, { columns, poolType }: Found): Promise<void> {
  const changes = Object.entries(columns).flatMap(([column, text]) =>
    text === null ? [] : [sql`${sql.ref(column)} = coalesce(nullif(${text}::text, ''), ${sql.ref(column)}, '')`],
  );
  if (poolType !== undefined) changes.push(sql`pool_type = ${poolType}::text::pool_type`);
  if (changes.length === 0) return;
  await sql`
    update ${sql.table(platformTableOf(contract.kind))} set ${sql.join(changes)}, updated_at = now() where id = ${contract.platformId}
  `.execute(db);
}
