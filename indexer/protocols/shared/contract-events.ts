import { sql } from 'kysely';
import type { AbiEvent } from 'viem';
import { copyJson } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import { kindPart } from '../../facts/ids.ts';
import type { Origin } from '../../facts/origin.ts';
import { ORIGIN_DIGEST, originColumns, originText } from '../../facts/origin-columns.ts';
import type { Decoder } from './decoder.ts';
import { decodeStrict } from './strict-event.ts';

/** An event that has no table of its own. Its arguments are decimal strings (integers) and lower-case hex (addresses, bytes). */
export type ContractEvent = Origin & {
  readonly event: string;
  readonly arguments: Readonly<Record<string, string | boolean>>;
};

/** The table of the events that no table of the platform holds, for all kinds of contract. */
export const contractEvents: FactTable<ContractEvent> = {
  schema: 'indexer',
  name: 'contract_events',
  chainIdType: 'bigint',
  kind: null,
  key: ['chain_id', 'block_number', 'log_index', 'kind'],
  columns: {
    ...originColumns('bigint'),
    address: 'text',
    kind: 'text',
    event: 'text',
    arguments: 'jsonb',
  },
  foldColumns: { addressColumn: 'address', tagColumn: 'event' },
  statistics: ['chain_id', 'block_number', 'log_index', 'address', 'kind', 'event', 'position'],
  readersIndexes: [],
  digest: { rows: 'indexer.contract_events', columns: [...ORIGIN_DIGEST, 'address', 'kind', 'event', 'arguments'] },
  orphans: { kindColumn: 'kind' },
  rowsOf: ({ chainId, address, kind }) =>
    sql`chain_id = ${chainId}::bigint and address = ${address} and kind = ${kind}`,
  tagOf: ({ event }) => event,
  *lines(facts) {
    const origin = originText();
    for (const fact of facts) {
      const { address, kind } = fact.contract;
      yield `${origin(fact, kindPart(kind))}\t${address}\t${kind}\t${fact.event}\t${copyJson(fact.arguments)}`;
    }
  },
};

/** Returns a decoder for an event that has no table of its own. It uses viem. */
export function contractEventDecoder(event: AbiEvent): Decoder {
  return (origin, sink) => {
    const args = decodeStrict(event, origin.log);
    if (args === null) return false;
    sink.facts.of(contractEvents).push({ ...origin, event: event.name, arguments: args });
    return true;
  };
}
