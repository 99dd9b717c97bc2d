import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { classifyRefusal } from '../../indexer/rpc/refusals.ts';
import { createSource, type Source } from '../../indexer/source/source.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import { ChainServer } from '../kit/chain-server.ts';
import { PROVIDER_CAPS, PROVIDER_REFUSALS } from '../kit/provider-words.ts';

const ADDRESS: Hex = `0x${'aa'.repeat(20)}`;
const TOPIC: Hex = `0x${'bb'.repeat(32)}`;
const WATCH = { addresses: [ADDRESS], topics: [TOPIC] };

const chain = new Chain();
let server: ChainServer;
let source: Source;
/** Added to the source's clock so that a test need not wait. */
let laterMs = 0;

beforeAll(async () => {
  // 5,000 blocks exceed even a cap of 3,000. Every fiftieth block has a log.
  for (let number = 1; number <= 5_000; number++) {
    chain.append(number % 50 === 0 ? { logs: [{ address: ADDRESS, topics: [TOPIC] }] } : {});
  }
  server = await ChainServer.start(chain);
});

afterEach(() => {
  delete server.view.cap;
  server.heal();
  source?.close();
});

afterAll(() => server.close());

function open(initialRangeBlocks: number): Source {
  source = createSource(
    { chainId: chain.chainId, rpcUrls: [server.url], initialRangeBlocks },
    { now: () => performance.now() + laterMs },
  );
  return source;
}

describe.each(PROVIDER_CAPS)('$name refuses a range with too many $cap', ({ cap, code, text, hint }) => {
  const request = { from: 100, to: 199, blocks: 100, results: 100 };

  test('the refusal is recognised with its hint', () => {
    const meaning = classifyRefusal({ method: 'eth_getLogs', code, text: text(request, 50) });
    expect(meaning).toEqual({ kind: 'range-refused', ...(hint && { hintBlocks: hint(request, 50) }) });
  });

  test('the range is narrowed, read completely and widened again', async () => {
    const limit = cap === 'blocks' ? 3_000 : 30;
    server.view.cap = (asked) => {
      if ((cap === 'blocks' ? asked.blocks : asked.results) > limit) throw new RpcFault(code, text(asked, limit));
    };
    const range = await open(5_000).fetchRange({ from: 1, to: 5_000, strict: false, watch: WATCH });
    expect(range.logs.map((log) => log.blockNumber)).toEqual(chain.logs().map((log) => log.blockNumber));
    delete server.view.cap;
    laterMs += 60_000;
    await source.fetchRange({ from: 1, to: 5_000, strict: false, watch: WATCH });
    await source.fetchRange({ from: 1, to: 5_000, strict: false, watch: WATCH });
    const before = server.count('eth_getLogs');
    await source.fetchRange({ from: 1, to: 4_000, strict: false, watch: WATCH });
    expect(server.count('eth_getLogs') - before).toBe(1);
  });
});

test.each(PROVIDER_REFUSALS)('$name: $message: $kind', ({ kind, code, status, message }) => {
  expect(classifyRefusal({ method: 'eth_getLogs', code, status, text: message }).kind).toBe(kind);
});

test('HTTP 413 halves the range', () => {
  expect(classifyRefusal({ method: 'eth_getLogs', status: 413, text: '' })).toEqual({ kind: 'range-refused' });
});

test('an unknown message with a code used for caps narrows a range, and rejects the request for a single block', () => {
  const meaning = (blocks: number | undefined, text: string) =>
    classifyRefusal({ method: 'eth_getLogs', blocks, code: -32602, text });
  expect(meaning(100, 'please reduce your window')).toEqual({ kind: 'range-refused' });
  for (const blocks of [1, undefined]) expect(meaning(blocks, 'please reduce your window').kind).toBe('rejected');
  expect(meaning(100, 'range 100 exceeds limit of 50')).toEqual({ kind: 'range-refused', hintBlocks: 50 });
  expect(meaning(undefined, 'invalid params: blockHash is not supported').kind).toBe('rejected');
});

test('a message about a range is not a range refusal when the request has no range', () => {
  expect(classifyRefusal({ method: 'eth_call', code: -32000, text: 'response is too big' }).kind).toBe('unavailable');
});

test('a hint is parsed when it is written as 10k, 10,000 or with punctuation', () => {
  const meaning = (text: string) => classifyRefusal({ method: 'eth_getLogs', code: -32000, text }).hintBlocks;
  expect(meaning('range is too large, max is 10k blocks')).toBe(10_000);
  expect(meaning('eth_getLogs is limited to a 10,000 range')).toBe(10_000);
  expect(meaning('range 5000 exceeds limit of 1000.')).toBe(1_000);
  expect(meaning('exceed maximum block range: 1000 max')).toBe(1_000);
});
