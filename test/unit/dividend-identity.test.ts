import { toEventSelector } from 'viem';
import { expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { identifyDividend } from '../../indexer/protocols/dividend/identity.ts';
import { mayRunOtherCode } from '../../indexer/protocols/shared/bytecode.ts';
import { hexOf } from '../kit/event-logs.ts';

const ADDRESS: Hex = `0x${'d1'.repeat(20)}`;
const TOPIC = toEventSelector('DividendDeposited(uint256,uint256)').slice(2);
const PAUSED = toEventSelector('Paused(address)').slice(2);
const [PLAIN, DELEGATES]: readonly Hex[] = [`0x7f${PAUSED}00`, `0x6000${'80'.repeat(5)}f400`];
const signal = new AbortController().signal;

/** Answers `supportsInterface` (ERC-165) like an ERC-721 collection. */
const COLLECTION = (data: Hex): Hex =>
  data.startsWith('0x01ffc9a7') ? hexOf(data.startsWith('0x01ffc9a780ac58cd') ? 1 : 0, 64) : '0x';

/** Identifies a contract with this code. The program reads the code a second time if the contract may be quarantined. */
async function identify(codes: readonly (Hex | undefined)[], answer: (data: Hex) => Hex = () => '0x') {
  const left = [...codes];
  const reader = { call: async (_: Hex, data: Hex) => answer(data), code: async () => left.shift() };
  const { speaks, note } = await identifyDividend(reader as never, ADDRESS, signal);
  return { speaks, note };
}

test('a contract whose code has an event of any version is a dividend contract, also if it is a collection too', async () => {
  const named: Hex = `0x7f${TOPIC}00`;
  expect(await identify([named])).toEqual({ speaks: true, note: null });
  expect(await identify([named], COLLECTION)).toEqual({ speaks: true, note: null });
});

test('a collection whose own code has no such event is none, and a reading of its code that is not confirmed tells nothing', async () => {
  const note = 'speaks ERC-721 and has no event of a dividend contract in its code';
  expect(await identify([PLAIN, PLAIN], COLLECTION)).toEqual({ speaks: false, note });
  expect(await identify([PLAIN, `0x7f${TOPIC}00`], COLLECTION)).toEqual({ speaks: null, note });
});

test('a proxy, a contract whose code is not served, and one that answers nothing are not refused', async () => {
  expect(await identify([DELEGATES], COLLECTION)).toEqual({ speaks: null, note: 'speaks ERC-721' });
  expect(await identify([undefined], COLLECTION)).toEqual({ speaks: null, note: 'speaks ERC-721' });
  expect(await identify([DELEGATES])).toEqual({ speaks: null, note: null });
  expect(await identify([PLAIN])).toEqual({ speaks: null, note: 'has no event of a dividend contract in its code' });
});

test.each<[string, string, boolean]>([
  ['a DELEGATECALL', '60008080808080f4', true],
  ['a CALLCODE', '60008080808080f200', true],
  ['one after the end of a path and a JUMPDEST', '6003565b80f4', true],
  ['one in the last argument of a PUSH', '61f4f400', false],
  ['one in metadata after the code', '6000fea264697066f4', false],
  ['a JUMPDEST in an argument of a PUSH after the end of a path', '00605b80f4', false],
  ['another format of code', 'ef000101f4', true],
  ['no call of other code', '6000f3', false],
])('code with %s: it may run other code', (_, code, may) => {
  expect(mayRunOtherCode(`0x${code}`)).toBe(may);
});
