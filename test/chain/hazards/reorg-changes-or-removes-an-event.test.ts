import { expect, test } from 'vitest';
import { ZERO_ADDRESS } from '../../../indexer/kernel/chain.ts';
import { erc20Mint, erc20Transfer, nftTransfer, WALLETS } from '../../kit/music.ts';
import { follow } from '../../kit/scene.ts';
import { reorgsOf } from '../../kit/settled.ts';

const [alice, bob] = WALLETS as unknown as [`0x${string}`, `0x${string}`];

test('a reorg of one block that changes an event replaces its rows', async () => {
  const { chain, db, settled } = await follow();
  const { number } = chain.append({ logs: [erc20Mint(alice, 100n), nftTransfer(ZERO_ADDRESS, alice, 1_000n)] });
  await settled();
  chain.reorg(1, [{ logs: [erc20Mint(bob, 70n), nftTransfer(ZERO_ADDRESS, bob, 1_000n)] }]);
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: number, to: number - 1, depth: 1 }]);
});

test('a reorg of one block that removes an event deletes its rows', async () => {
  const { chain, db, settled } = await follow();
  chain.append({ logs: [erc20Mint(alice, 100n)] });
  const { number } = chain.append({ logs: [erc20Transfer(alice, bob, 40n), nftTransfer(ZERO_ADDRESS, alice, 1_000n)] });
  await settled();
  chain.reorg(1);
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: number, to: number - 1, depth: 1 }]);
});
