import { sql } from 'kysely';
import { copyHexArray, copyText } from './copy-text.ts';
import type { FactTable } from './fact-table.ts';
import { branchOf, factId, kindPart } from './ids.ts';
import type { Origin } from './origin.ts';

/** A log whose first topic names an event of the contract's ABI, but whose other topics and data do not fit this event. */
export type DeadLetter = Origin & { readonly reason: string };

/**
 * The table of the logs that could not be decoded, each stored completely. The column `kind` says what a dead letter is, here `log`. The
 * kind of contract is in `contract_kind`.
 */
export const deadLetters: FactTable<DeadLetter> = {
  schema: 'indexer',
  name: 'dead_letters',
  chainIdType: 'bigint',
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
  statistics: [],
  readersIndexes: [],
  digest: {
    rows: `indexer.dead_letters where kind = 'log'`,
    columns: ['chain_id', 'address', 'tx_hash', 'block_number', 'block_hash', 'log_index', 'topics', 'data', 'reason'],
  },
  orphans: { kindColumn: 'contract_kind' },
  rowsOf: ({ chainId, address, kind }) =>
    sql`chain_id = ${chainId}::bigint and address = ${address} and contract_kind = ${kind}`,
  *lines(facts) {
    for (const { contract, log, reason } of facts) {
      const { chainId, address, kind } = contract;
      const { blockNumber, blockHash, logIndex, transactionHash } = log;
      const id = factId(blockNumber, branchOf(chainId, blockHash), logIndex, kindPart(kind));
      const source = `${address}\t${kind}\t${blockNumber}\t${blockHash}\t${logIndex}\t${transactionHash}`;
      yield `${id}\t${chainId}\tlog\t${source}\t${copyHexArray(log.topics)}\t${log.data}\t${copyText(reason)}`;
    }
  },
};
