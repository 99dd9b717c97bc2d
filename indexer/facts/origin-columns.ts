import { copyTimestamp } from './copy-text.ts';
import type { FactTable } from './fact-table.ts';
import { factId } from './ids.ts';
import type { Origin } from './origin.ts';

/** Returns the columns that every table of facts has, as `originText` writes them, with their types. */
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

/** The columns of an origin that a digest reads. */
export const ORIGIN_DIGEST = ['chain_id', 'tx_hash', 'block_number', 'block_hash', 'log_index', 'block_timestamp'];

/**
 * Returns a writer of the `originColumns` for one list of facts. It keeps the last block's timestamp as text, since the facts of a
 * block follow each other.
 */
export function originText(): (fact: Origin, part?: number) => string {
  let timestamp = Number.NaN;
  let timestampText = '';
  return ({ contract, log, timestamp: seconds }, part = 0) => {
    if (seconds !== timestamp) {
      timestamp = seconds;
      timestampText = copyTimestamp(timestamp);
    }
    const { blockNumber, blockHash, logIndex, transactionHash } = log;
    const id = factId(blockNumber, blockHash, logIndex, part);
    return `${id}\t${contract.chainId}\t${transactionHash}\t${blockNumber}\t${blockHash}\t${logIndex}\t${timestampText}`;
  };
}
