import { copyHexArray, copyText } from './copy-text.ts';
import type { FactTable } from './fact-table.ts';
import { factId } from './ids.ts';

const NAME = 'dead_letters';

/** Logs that the contract's ABI names and that do not fit it, whole. The table's `kind` is the kind of letter, `log`. */
export const deadLetters: FactTable = {
  list: 'deadLetters',
  schema: 'indexer',
  name: NAME,
  chainIdType: 'bigint',
  addressColumn: 'address',
  positionColumn: null,
  kind: null,
  key: ['id'],
  columns: {
    id: 'uuid',
    chain_id: 'bigint',
    kind: 'text',
    address: 'text',
    contract_kind: 'text',
    block_number: 'bigint',
    block_hash: 'text',
    log_index: 'bigint',
    tx_hash: 'text',
    topics: 'text[]',
    data: 'text',
    reason: 'text',
  },
  *lines({ deadLetters: facts }) {
    for (const { contract, log, reason } of facts) {
      const { chainId, address, kind } = contract;
      const { blockNumber, blockHash, logIndex, transactionHash } = log;
      const id = factId({ table: NAME, chainId, blockNumber, blockHash, logIndex, part: kind });
      const place = `${address}\t${kind}\t${blockNumber}\t${blockHash}\t${logIndex}\t${transactionHash}`;
      yield `${id}\t${chainId}\tlog\t${place}\t${copyHexArray(log.topics)}\t${log.data}\t${copyText(reason)}`;
    }
  },
};
