import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import { copyValues } from '../facts/copy-text.ts';
import type { EncodedBatch } from '../facts/encoded-batch.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { ALARM_LEVELS, type AlarmLevel } from './shared/administration.ts';
import { contractEvents } from './shared/contract-events.ts';

/** An event that reports an administrative call to a contract, for example a change of its owner. */
export type AdministrativeEvent = {
  readonly alarm: AlarmLevel;
  readonly event: string;
  readonly kind: ContractKind;
  readonly address: Hex;
  readonly block: number;
  readonly transaction: Hex;
  readonly arguments: Readonly<Record<string, string>>;
};

/** Maximum number of events that `newestAdministrativeEvents` returns for a chain. */
const EVENTS_PER_CHAIN_MAX = 5;

const COLUMNS = Object.keys(contractEvents.columns);

/** Returns the administrative events among the facts of a range, in the order of their logs. */
export function administrativeEventsIn({ tables }: EncodedBatch): readonly AdministrativeEvent[] {
  const encoded = tables.find(({ table }) => table.name === contractEvents.name);
  if (encoded === undefined || ![...encoded.tags].some((tag) => tag in ALARM_LEVELS)) return [];
  return copyValues(encoded.text).flatMap((line) => {
    const value = (column: string) => line[COLUMNS.indexOf(column)] ?? '';
    const event = value('event');
    const alarm = ALARM_LEVELS[event];
    if (alarm === undefined) return [];
    return {
      ...{ alarm, event },
      kind: value('kind') as ContractKind,
      address: value('address') as Hex,
      block: Number(value('block_number')),
      transaction: value('tx_hash') as Hex,
      arguments: JSON.parse(value('arguments')) as Readonly<Record<string, string>>,
    };
  });
}

/** Reads the newest administrative events of each chain, newest first. The query uses the index `contract_events_administration_idx`. */
export async function newestAdministrativeEvents(
  db: Kysely<DB>,
): Promise<ReadonlyMap<number, readonly AdministrativeEvent[]>> {
  const events = Object.keys(ALARM_LEVELS).map((event) => sql.lit(event));
  const { rows } = await sql<Omit<AdministrativeEvent, 'alarm'> & { chain_id: string }>`
    select chain_id, newest.* from indexer.chains, lateral (
      select event, kind, address, block_number::float8 as block, tx_hash as transaction, arguments
      from indexer.contract_events fact where fact.chain_id = chains.chain_id and event in (${sql.join(events)})
      order by position desc limit ${EVENTS_PER_CHAIN_MAX}
    ) newest
    order by chain_id, block desc
  `.execute(db);
  const known = rows.map(({ chain_id, ...event }) => ({
    chainId: Number(chain_id),
    event: { alarm: ALARM_LEVELS[event.event] ?? 'high', ...event },
  }));
  return new Map(
    [...Map.groupBy(known, ({ chainId }) => chainId)].map(([chainId, found]) => [
      chainId,
      found.map(({ event }) => event),
    ]),
  );
}
