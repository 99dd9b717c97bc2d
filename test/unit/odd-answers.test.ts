import { describe, expect, test } from 'vitest';
import type { Hex, RawLog } from '../../indexer/kernel/chain.ts';
import { Chain } from '../kit/chain.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { ADDRESS, log, OTHER_ADDRESS, sourceFixture, TOPIC } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const ZERO_HASH: Hex = `0x${'0'.repeat(64)}`;
const BLOCKS = 40;
/** Twelve contracts, of which two emit logs. Some endpoints treat requests for many addresses differently. */
const WATCHED: readonly Hex[] = [
  ADDRESS,
  OTHER_ADDRESS,
  ...Array.from({ length: 10 }, (_, at): Hex => `0x${(at + 1).toString(16).padStart(40, '0')}`),
];

type Json = Record<string, unknown>;
type Filter = {
  readonly address?: Hex[];
  readonly fromBlock?: Hex;
  readonly toBlock?: Hex;
  readonly topics?: unknown[];
};

/** Creates a chain with three logs in every second block, in two transactions. */
function oddChain(): Chain {
  const chain = new Chain();
  for (let number = 1; number <= BLOCKS; number++) {
    const logs = [log({ transaction: 1 }), log({ transaction: 1, address: OTHER_ADDRESS }), log({ transaction: 2 })];
    chain.append(number % 2 === 0 ? { logs } : {});
  }
  return chain;
}

const changeLogs = (change: (logs: Json[], params: readonly unknown[]) => unknown) => (server: ChainServer) =>
  void server.misbehave({
    methods: ['eth_getLogs'],
    do: { kind: 'result', result: (honest, params) => change(structuredClone(honest) as Json[], params) },
  });
const refuseLogs =
  (code: number, message: string, refuses: (filter: Filter) => boolean = () => true) =>
  (server: ChainServer) =>
    void server.misbehave({
      methods: ['eth_getLogs'],
      when: ([filter]) => refuses(filter as Filter),
      do: { kind: 'error', code, message },
    });
const changeReceipts = (method: string, change: (honest: unknown) => unknown) => (server: ChainServer) =>
  void server.misbehave({ methods: [method], do: { kind: 'result', result: change } });
const both =
  (...parts: ((server: ChainServer) => void)[]) =>
  (server: ChainServer) => {
    for (const part of parts) part(server);
  };
const manyAddresses = ({ address = [] }: Filter) => address.length > 3;
const countAnew = (logs: Json[]) =>
  logs.map((one) => (Number(one.transactionIndex) === 1 ? { ...one, logIndex: '0x0' } : one));

/** Wrong answers of a node. The program must derive the right rows nevertheless. */
const ODDITIES: readonly [string, (server: ChainServer) => void][] = [
  ['logs, newest first', changeLogs((logs) => logs.toReversed())],
  ['logs in no order', changeLogs((logs) => logs.toSorted((a, b) => Number(b.logIndex) - Number(a.logIndex)))],
  ['each log twice', changeLogs((logs) => logs.flatMap((one) => [one, one]))],
  ['log indexes that count anew in a transaction', changeLogs(countAnew)],
  ['log indexes that count anew, newest first', changeLogs((logs) => countAnew(logs).toReversed())],
  ['logs that are marked as removed', changeLogs((logs) => logs.map((one) => ({ ...one, removed: true })))],
  ['null', changeLogs(() => null)],
  ['an object', changeLogs(() => ({}))],
  ['logs without their transaction', changeLogs((logs) => logs.map(({ transactionHash: _, ...one }) => one))],
  ['transactions of zeros', changeLogs((logs) => logs.map((one) => ({ ...one, transactionHash: ZERO_HASH })))],
  ['block hashes of zeros', changeLogs((logs) => logs.map((one) => ({ ...one, blockHash: ZERO_HASH })))],
  ['logs without their index', changeLogs((logs) => logs.map((one) => ({ ...one, logIndex: null })))],
  ['logs without topics', changeLogs((logs) => logs.map(({ topics: _, ...one }) => one))],
  ['no more than 10 logs', changeLogs((logs) => logs.slice(0, 10))],
  ['the newest 10 logs', changeLogs((logs) => logs.toReversed().slice(0, 10))],
  [
    'no more than 2 logs, and 10 at most of a range',
    changeLogs((logs, [filter]) => logs.slice(0, 'blockHash' in (filter as object) ? 3 : 10)),
  ],
  [
    'few addresses: "specify less number"',
    refuseLogs(-32701, 'Please, specify less number of addresses', manyAddresses),
  ],
  [
    'few addresses: "exceed max"',
    refuseLogs(-32000, 'exceed max addresses or topics per search position', manyAddresses),
  ],
  [
    'few addresses: "maximum of 3"',
    refuseLogs(-32000, 'query exceeds the maximum of 3 addresses or topics per search position', manyAddresses),
  ],
  ['few addresses: invalid params', refuseLogs(-32602, 'invalid argument 0: exceed max addresses', manyAddresses)],
  ['few addresses, in unknown words', refuseLogs(-32602, 'address list: at most three contracts', manyAddresses)],
  [
    'no filter without addresses, and few of them',
    both(
      refuseLogs(-32602, 'please specify an address', ({ address }) => address === undefined),
      refuseLogs(-32701, 'too many addresses', manyAddresses),
    ),
  ],
  ['"limit exceeded" for all logs', refuseLogs(-32005, 'limit exceeded')],
  ['unknown words for all logs', refuseLogs(-32099, 'gas of the moon is low')],
  ['no such method for logs', refuseLogs(-32601, 'the method eth_getLogs does not exist/is not available')],
  ['invalid params for all logs', refuseLogs(-32602, 'invalid argument 0')],
  [
    'logs refused, bulk receipts short',
    both(
      refuseLogs(-32005, 'limit exceeded'),
      changeReceipts('eth_getBlockReceipts', (honest) => (honest as unknown[]).slice(0, -1)),
    ),
  ],
  [
    'logs refused, bulk receipts null',
    both(
      refuseLogs(-32005, 'limit exceeded'),
      changeReceipts('eth_getBlockReceipts', () => null),
    ),
  ],
  [
    'logs refused, bulk receipts refused',
    both(
      refuseLogs(-32005, 'limit exceeded'),
      (server) =>
        void server.misbehave({
          methods: ['eth_getBlockReceipts'],
          do: { kind: 'error', code: -32000, message: 'receipts length mismatch: 1 vs 0' },
        }),
    ),
  ],
  [
    'logs refused, receipts that number their own logs from 0',
    both(
      refuseLogs(-32005, 'limit exceeded'),
      changeReceipts('eth_getBlockReceipts', (honest) =>
        (honest as { logs: Json[] }[]).map((receipt) => ({
          ...receipt,
          logs: receipt.logs.map((one, at) => ({ ...one, logIndex: `0x${at.toString(16)}` })),
        })),
      ),
    ),
  ],
];

const placeOf = ({ blockNumber, logIndex, address, transactionHash, blockHash }: RawLog) => [
  blockNumber,
  logIndex,
  address,
  transactionHash,
  blockHash,
];

describe.each([
  { path: 'the head', strict: true },
  { path: 'history', strict: false },
])('$path', ({ strict }) => {
  test.each(ODDITIES.flatMap(([what, misbehave]) => [1, 2].map((endpoints) => ({ what, misbehave, endpoints }))))(
    'reads the true logs from a node that gives $what ($endpoints endpoints, the others healthy)',
    async ({ misbehave, endpoints }) => {
      const chain = oddChain();
      const server = await fixture.serve(chain);
      misbehave(server);
      const healthy = await Promise.all(Array.from({ length: endpoints - 1 }, () => fixture.serve(chain)));
      const source = fixture.open([server, ...healthy].map(({ url }) => url));
      const watch = { addresses: WATCHED, topics: [TOPIC] };
      const logs: RawLog[] = [];
      for (let from = 1; from <= BLOCKS; ) {
        const range = await source.fetchRange({ from, to: BLOCKS, strict, watch });
        logs.push(...range.logs);
        from = range.to + 1;
      }
      expect(logs.map(placeOf)).toEqual(chain.logs().map(placeOf));
      expect((await source.head()).number).toBe(BLOCKS);
    },
  );
});
