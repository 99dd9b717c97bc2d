import { copyTimestamp } from './copy-text.ts';
import type { FactTable } from './fact-table.ts';
import { branchOf, factId } from './ids.ts';
import type { Origin } from './origin.ts';

/** Returns the columns that `originText` writes, with their types. Almost every table of facts begins with them. */
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

/** The columns of `originColumns` that go into the digest of a table. */
export const ORIGIN_DIGEST = ['chain_id', 'tx_hash', 'block_number', 'block_hash', 'log_index', 'block_timestamp'];

/**
 * Returns a function that encodes the values of `originColumns` for one fact after another, all of one chain. The facts of a block must
 * follow each other, because values that are derived from the block are computed once and used for the next facts too.
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
