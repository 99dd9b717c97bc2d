import type { Hex } from '../../indexer/kernel/chain.ts';
import type { ChainServer } from './chain-server.ts';

const anyHash: Hex = `0x${'dd'.repeat(32)}`;

/**
 * Makes a node give logs and receipts of one block that contradict its header, so that the block cannot be read. Returns a
 * function that removes these faults.
 */
export function withholdBlock(server: ChainServer, number: number): () => void {
  const hash = server.chain.block(number)?.hash;
  const quantity = `0x${number.toString(16)}`;
  const transactions = server.chain.block(number)?.transactions ?? [];
  const isOfBlock = ([filter]: readonly unknown[]) => {
    const { blockHash, fromBlock, toBlock } = filter as { blockHash?: Hex; fromBlock?: Hex; toBlock?: Hex };
    return blockHash === hash || (Number(fromBlock) <= number && number <= Number(toBlock));
  };
  const ends = [
    server.misbehave({
      methods: ['eth_getLogs'],
      when: isOfBlock,
      do: {
        kind: 'result',
        result: (honest) => (honest as object[]).map((log) => ({ ...log, blockHash: anyHash })),
      },
    }),
    server.misbehave({
      methods: ['eth_getBlockReceipts'],
      when: ([block]) => block === quantity || block === hash,
      do: { kind: 'error', code: -32000, message: 'receipts length mismatch: 1 vs 0' },
    }),
    server.misbehave({
      methods: ['eth_getTransactionReceipt'],
      when: ([transaction]) => transactions.includes(transaction as Hex),
      do: { kind: 'result', result: (honest) => ({ ...(honest as object), blockHash: anyHash }) },
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}
