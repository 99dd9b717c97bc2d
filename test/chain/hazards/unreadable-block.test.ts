import { expect, test } from 'vitest';
import type { Hex } from '../../../indexer/kernel/chain.ts';
import type { ChainServer } from '../../kit/chain-server.ts';
import { busyChain, follow } from '../../kit/follow.ts';
import { busyBlocks } from '../../kit/music.ts';
import { atHead } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const anyHash: Hex = `0x${'dd'.repeat(32)}`;

/** Refuses to give the logs and receipts of one block in any form that can be believed. */
function withhold(server: ChainServer, hash: Hex, number: number): () => void {
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

test('a block at the head that no answer explains is set aside: the chain goes on, and the block is filled later', async () => {
  const { chain, server, db, daemon, settled } = await follow({ chain: busyChain(30, 20) });
  await settled();
  chain.append(...busyBlocks(3)(3));
  const bad = chain.append(...busyBlocks(4)(1));
  const heal = withhold(server, bad.hash, bad.number);
  chain.append(...busyBlocks(5)(6));
  await until('the head to pass the block', () => atHead(db, chain.chainId, chain.head.hash));
  expect(daemon.said('block set aside').map(({ block }) => block)).toEqual([bad.number]);
  const { rows } = await db.query(
    'select distinct block_number::int from nft_transfers where block_number > $1 order by 1',
    [bad.number - 4],
  );
  const stored = rows.map(({ block_number }) => block_number);
  expect(stored).toContain(bad.number + 1);
  expect(stored).not.toContain(bad.number);
  const notes = await db.query('select distinct coverage_note from indexer.contracts where covered is not null');
  expect(JSON.stringify(notes.rows)).toContain(`block ${bad.number} could not be read`);
  heal();
  await settled();
});
