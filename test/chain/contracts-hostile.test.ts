import { decodeAbiParameters, encodeAbiParameters, maxUint256, pad, parseAbi, toEventSelector, toHex } from 'viem';
import { beforeAll, expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { useAnvil } from '../kit/anvil.ts';
import { deployHostile, emitLog, type HostileName } from '../kit/contracts/hostile.ts';
import type { Deployed } from '../kit/deploy.ts';
import { unregistered } from '../kit/oracle/check-database.ts';
import { expectedOf } from '../kit/oracle/live-chain.ts';

const NAMED = parseAbi(['function name() view returns (string)', 'function symbol() view returns (string)']);
const TRANSFER = toEventSelector('Transfer(address,address,uint256)');
const CONSECUTIVE = toEventSelector('ConsecutiveTransfer(uint256,uint256,address,address)');
const NOBODY = pad('0x');
const ALICE = pad('0xa11ce');

const anvil = useAnvil({ timestamp: 1_700_000_000, timestampInterval: 2 });
let hostile: Record<HostileName, Deployed>;

beforeAll(async () => {
  hostile = await deployHostile(anvil());
});

/** Returns the raw answer to `name()` or `symbol()`. */
const answer = async (name: HostileName, method: 'name' | 'symbol'): Promise<Hex> => {
  const data = method === 'name' ? '0x06fdde03' : '0x95d89b41';
  return anvil().request<Hex>('eth_call', { to: hostile[name].address, data }, 'latest');
};
const decoded = async (name: HostileName, method: 'name' | 'symbol'): Promise<string> =>
  decodeAbiParameters([{ type: 'string' }], await answer(name, method))[0];

test('hostile tokens return huge, malformed and missing names and symbols', async () => {
  expect(await decoded('HugeToken', 'name')).toBe('n'.repeat(1024 * 1024));
  expect(await decoded('HugeToken', 'symbol')).toBe('s'.repeat(1024 * 1024));
  expect(await decoded('NulToken', 'name')).toBe('N\0U\0L');
  expect(await decoded('NulToken', 'symbol')).toBe('');
  expect(await answer('InvalidUtf8Token', 'name')).toContain('ff41fe');
  expect(await answer('Bytes32Token', 'symbol')).toBe(pad(toHex('MKS'), { dir: 'right' }));
  expect(await answer('EmptyToken', 'name')).toBe('0x');
  await expect(answer('SilentToken', 'name')).rejects.toThrow('revert');
  const huge = { address: hostile.HugeToken.address, abi: NAMED, functionName: 'name' } as const;
  expect(await anvil().client.readContract(huge)).toHaveLength(1024 * 1024);
});

test('the emitter emits logs with too many topics, no topics and misfitting data', async () => {
  const { address } = hostile.Emitter;
  const value = encodeAbiParameters([{ type: 'uint256' }], [maxUint256]);
  await emitLog(anvil(), address, { topics: [TRANSFER, NOBODY, ALICE], data: value, times: 3 });
  await emitLog(anvil(), address, { topics: [TRANSFER, NOBODY, ALICE, toHex(1, { size: 32 })] });
  await emitLog(anvil(), address, { topics: [], data: '0xdead' });
  await emitLog(anvil(), address, { topics: [TRANSFER, NOBODY, ALICE], data: '0x01' });
  const topics = [TRANSFER, pad('0xff', { dir: 'right' }), ALICE] as const;
  await emitLog(anvil(), address, { topics, data: value });
  const head = Number(await anvil().client.getBlockNumber());
  const logs = await anvil().client.getLogs({ address, fromBlock: 0n, toBlock: 'latest' });
  expect(logs.map((log) => (log.topics as readonly Hex[]).length)).toEqual([3, 3, 3, 4, 0, 3, 3]);
  const contracts = unregistered(anvil().chainId, [{ kind: 'artist_token', address }]);
  const { tables } = await expectedOf(anvil(), head, contracts, [address]);
  expect((tables.get('token_transfers') ?? []).map(({ value }) => value)).toEqual(Array(3).fill(String(maxUint256)));
  expect(tables.get('dead_letters')?.length).toBe(3);
});

test('the emitter emits an ERC-2309 batch that is too large to be indexed', async () => {
  const topics = [CONSECUTIVE, pad('0x'), NOBODY, ALICE] as const;
  const data = encodeAbiParameters([{ type: 'uint256' }], [10_000n]);
  const { logs } = await emitLog(anvil(), hostile.Emitter.address, { topics, data });
  expect(logs).toHaveLength(1);
});
