import { createWalletClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { anvil as anvilChain } from 'viem/chains';
import { expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { createBlooms } from '../../indexer/source/bloom.ts';
import { receiptsRootOf } from '../../indexer/source/receipts-root.ts';
import { useAnvil } from '../kit/anvil.ts';

const anvil = useAnvil();
/** Emits a log without topics and one with a topic and 32 bytes. */
const TWO_LOGS: Hex = '0x60006000a060aa60206000a100';
/** Deploys a contract that emits a log without topics. */
const DEPLOY_LOGGER: Hex = '0x6560006000a0006000526006601af3';
const REVERT: Hex = '0x60006000fd';
/** The first account of the mnemonic that Anvil uses by default. */
const KEY: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';

type Json = Record<string, unknown>;

test('the receipts of a real node have the root of its headers', async () => {
  const { accounts, request, mine, execute, client, url } = anvil();
  const logger = (await execute({ from: accounts[1] as Hex, data: DEPLOY_LOGGER })).contractAddress as Hex;
  const wallet = createWalletClient({ account: privateKeyToAccount(KEY), chain: anvilChain, transport: http(url) });
  const authorization = await wallet.signAuthorization({ contractAddress: logger, executor: 'self' });
  const gas = '0x30d40';
  const send = (from: number, fields: Json) =>
    request('eth_sendTransaction', { from: accounts[from], data: TWO_LOGS, gas, ...fields });
  await wallet.sendTransaction({ to: logger, authorizationList: [authorization], gas: 200_000n });
  await send(2, { gasPrice: '0x77359400' });
  await send(3, { gasPrice: '0x77359400', accessList: [{ address: logger, storageKeys: [] }] });
  for (let count = 0; count < 20; count++) await send(4, {});
  await send(5, { data: REVERT });
  await mine();
  const block = await request<Json>('eth_getBlockByNumber', 'latest', false);
  const raw = await request<(Json & { readonly logs: never[] })[]>('eth_getBlockReceipts', block.number);
  expect(new Set(raw.map(({ type }) => Number(type)))).toEqual(new Set([0, 1, 2, 4]));
  expect(new Set(raw.map(({ status }) => Number(status)))).toEqual(new Set([0, 1]));
  expect(raw.flatMap(({ logs }) => logs).length).toBe(45);
  const receipts = raw.map((receipt) => ({ raw: receipt, logs: receipt.logs }));
  expect(await receiptsRootOf(receipts, createBlooms())).toBe(block.receiptsRoot);
  expect(await client.getBlockNumber()).toBe(2n);
});
