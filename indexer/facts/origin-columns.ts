import type { Origin } from '../protocols/shared/decoded-batch.ts';
import { copyTimestamp } from './copy-text.ts';
import type { FactTable } from './fact-table.ts';
import { factId } from './ids.ts';

/** The columns that every table of facts has, as `originText` writes them, and their types. */
export function originColumns(chainIdType: FactTable['chainIdType']): FactTable['columns'] {
  return {
    id: 'uuid',
    chain_id: chainIdType,
    tx_hash: 'text',
    block_number: 'numeric',
    block_hash: 'text',
    log_index: 'bigint',
    block_timestamp: 'timestamptz',
  };
}

/**
 * Makes the writer of the `originColumns` for one list of facts.
 *
 * It remembers the last block's timestamp as text, since the facts of a block follow each other.
 *
 * @param table the table's name, which goes into the ids
 */
export function originText(table: string): (fact: Origin, part?: string) => string {
  let timestamp = Number.NaN;
  let timestampText = '';
  return (fact, part) => {
    const { contract, log } = fact;
    if (fact.timestamp !== timestamp) {
      timestamp = fact.timestamp;
      timestampText = copyTimestamp(timestamp);
    }
    const { chainId } = contract;
    const { blockNumber, blockHash, logIndex } = log;
    const id = factId({ table, chainId, blockNumber, blockHash, logIndex, part });
    return `${id}\t${chainId}\t${log.transactionHash}\t${blockNumber}\t${blockHash}\t${logIndex}\t${timestampText}`;
  };
}
