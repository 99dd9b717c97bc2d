import { expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { Chain } from '../kit/chain.ts';
import { ADDRESS, log, OTHER_ADDRESS, sourceFixture, TOPIC } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const WATCH = { addresses: [ADDRESS, OTHER_ADDRESS], topics: [TOPIC] };
const [FROM, TO]: readonly Hex[] = [`0x${'11'.repeat(32)}`, `0x${'22'.repeat(32)}`];

type Json = Record<string, unknown>;

/** Serves a block whose logs a node forges. Returns what a source reads of it. */
async function readForged(forge: (logs: readonly Json[]) => readonly Json[], strict: boolean) {
  const chain = new Chain();
  chain.mine(3);
  const { number } = chain.append({
    logs: [log({ topics: [TOPIC, FROM as Hex, TO as Hex] }), log({ address: OTHER_ADDRESS, transaction: 1 })],
  });
  const server = await fixture.serve(chain);
  server.misbehave({
    methods: ['eth_getLogs'],
    do: { kind: 'result', result: (logs) => forge(logs as readonly Json[]) },
  });
  const range = await fixture
    .open([server.url])
    .fetchRange({ from: number, to: number, strict, watch: WATCH, inFull: strict ? undefined : 'receipts' });
  expect(range.logs.map(({ address, topics }) => [address, topics.length])).toEqual([
    [ADDRESS, 3],
    [OTHER_ADDRESS, 1],
  ]);
  expect(range.logs[0]?.topics).toEqual([TOPIC, FROM, TO]);
  return range;
}

test('an endpoint whose log has wrong values in its topics counts as faulty', async () => {
  const swapped = await readForged(([first, ...others]) => [{ ...first, topics: [TOPIC, TO, FROM] }, ...others], false);
  expect(swapped.faultyEndpoints).toHaveLength(1);
});

test.each([true, false])(
  'a log that a node gives in place of another one is not stored (above the finalized block: %s)',
  async (strict) => {
    const forged = await readForged(([first]) => [first as Json, { ...first, logIndex: '0x1' }], strict);
    expect(forged.faultyEndpoints).toHaveLength(1);
  },
);
