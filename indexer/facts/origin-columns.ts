import { copyTimestamp } from './copy-text.ts';
import type { FactTable } from './fact-table.ts';
import { branchOf, factId } from './ids.ts';
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
 * Returns a writer of the `originColumns` for one list of facts of one chain. It keeps what it derived from the last block, since
 * the facts of a block follow each other.
 */
export function originText(): (fact: Origin, part?: number) => string {
  let lastHash = '';
  let timestampText = '';
  let branch = '';
  return ({ contract: { chainId }, log, timestamp }, part = 0) => {
    const { blockNumber, blockHash, logIndex, transactionHash } = log;
    if (blockHash !== lastHash) {
      lastHash = blockHash;
      timestampText = copyTimestamp(timestamp);
      branch = branchOf(chainId, blockHash);
    }
    const id = factId(blockNumber, branch, logIndex, part);
    return `${id}\t${chainId}\t${transactionHash}\t${blockNumber}\t${blockHash}\t${logIndex}\t${timestampText}`;
  };
}
