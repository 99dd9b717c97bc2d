import { copyJson } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import { originColumns, originText } from '../../facts/origin-columns.ts';

const NAME = 'contract_events';

/** Events that no table of the catalogue holds. */
export const contractEvents: FactTable = {
  list: 'contractEvents',
  schema: 'indexer',
  name: NAME,
  chainIdType: 'bigint',
  addressColumn: 'address',
  positionColumn: 'position',
  kind: { column: 'kind' },
  key: ['chain_id', 'block_number', 'log_index', 'kind'],
  columns: {
    ...originColumns('bigint'),
    address: 'text',
    kind: 'text',
    event: 'text',
    arguments: 'jsonb',
  },
  tagsOf: ({ contractEvents }) => new Set(contractEvents.map(({ event }) => event)),
  *lines({ contractEvents: facts }) {
    const origin = originText(NAME);
    for (const fact of facts) {
      const { address, kind } = fact.contract;
      yield `${origin(fact, kind)}\t${address}\t${kind}\t${fact.event}\t${copyJson(fact.arguments)}`;
    }
  },
};
