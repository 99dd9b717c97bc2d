import { encodeAbiParameters } from 'viem';
import { expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import { ADDRESS, sourceFixture } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const text = (value: string): Hex => encodeAbiParameters([{ type: 'string' }], [value]);
const callOf = (number: number) => ({ to: ADDRESS, data: `0x0${number}` as Hex });

test('calls are sent together, and each has its own answer', async () => {
  const chain = new Chain();
  chain.mine(10);
  const blocks: number[] = [];
  chain.call = (_, data, block) => {
    blocks.push(block);
    if (data === '0x01') throw new RpcFault(3, 'execution reverted: no such token');
    if (data === '0x02') return `0x${'11'.repeat(5 * 1024 * 1024)}`;
    return text(data);
  };
  const server = await fixture.serve(chain);
  const source = fixture.open([server.url]);
  const [first, reverted, huge, last] = await source.calls({ calls: [0, 1, 2, 3].map(callOf), blockNumber: 7 });
  expect(first).toBe(text('0x00'));
  expect(reverted).toMatchObject({ kind: 'rejected', message: expect.stringContaining('no such token') });
  expect(huge).toMatchObject({ kind: 'rejected', message: expect.stringContaining('is larger than 4194304 bytes') });
  expect(last).toBe(text('0x03'));
  expect(new Set(blocks)).toEqual(new Set([7]));
});
