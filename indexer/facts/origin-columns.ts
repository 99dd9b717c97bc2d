import type { Origin } from '../decode/decoded-batch.ts';
import { copyTimestamp } from './copy-text.ts';
import { factId } from './ids.ts';

/** The columns that every table of facts has, as `originText` writes them. */
export const ORIGIN_COLUMNS = [
  'id',
  'chain_id',
  'tx_hash',
  'block_number',
  'block_hash',
  'log_index',
  'block_timestamp',
] as const;

/**
 * Makes the writer of `ORIGIN_COLUMNS` for one list of facts.
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
