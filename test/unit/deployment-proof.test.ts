import { expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { chainReaderOver } from '../../indexer/protocols/shared/chain-reader.ts';
import { confirmDeployment, type Deployment, findDeployment } from '../../indexer/registry/deployment.ts';
import { Chain, type ChainBlock } from '../kit/chain.ts';
import { SENDER } from '../kit/chain-rpc.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { log, sourceFixture } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const signal = new AbortController().signal;
/** A contract that a transaction creates. */
const OWN: Hex = `0x${'a1'.repeat(20)}`;
/** A contract that a factory creates, inside a transaction to another contract. */
const MADE: Hex = `0x${'b2'.repeat(20)}`;
const [DEPLOYED, HEAD] = [500, 1_000];

/** A chain with a transaction in every block, on which both contracts are deployed in block 500. */
function chainOf(deployed = DEPLOYED): Chain {
  const chain = new Chain();
  for (let number = 1; number <= HEAD; number++) {
    chain.append({ logs: [log()], ...(number === deployed && { creates: [OWN] }) });
  }
  chain.code.set(MADE, deployed);
  return chain;
}

function find(servers: readonly ChainServer[], address: Hex, attempts?: number): Promise<Deployment> {
  const source = fixture.open(
    servers.map(({ url }) => url),
    { attempts },
  );
  return findDeployment(chainReaderOver(source), address, HEAD, signal);
}

function confirm(server: ChainServer, address: Hex, given: number): Promise<Deployment> {
  const source = fixture.open([server.url]);
  return confirmDeployment(chainReaderOver(source), address, { given, head: HEAD }, signal);
}

const STATE = ['eth_getCode', 'eth_getTransactionCount', 'eth_getBalance', 'eth_call'];
const zeroOf = (honest: unknown) => (String(honest).length > 2 ? '0x0' : '0x');

/** Answers for blocks below 872 as if no account had ever existed, like a node that has deleted its old state. */
function denyState(server: ChainServer, methods: readonly string[] = STATE, below = 872): void {
  for (const method of methods) {
    server.misbehave({
      methods: [method],
      when: ([, block]) => Number(block) < below,
      do: { kind: 'result', result: () => (method === 'eth_getTransactionCount' ? '0x0' : '0x') },
    });
  }
}

test.each([
  ['a transaction created', OWN],
  ['a factory made', MADE],
])(
  'a deployment block is proved of a contract that %s, with its time and the transaction that its receipt names',
  async (_, address) => {
    const chain = chainOf();
    const { timestamp, creations } = chain.block(DEPLOYED) as ChainBlock;
    const [transaction = null] = [...creations].find(([, created]) => created === address) ?? [];
    expect(transaction === null).toBe(address === MADE);
    const proved = { found: 'at', block: DEPLOYED, timestamp, transaction };
    expect(await find([await fixture.serve(chain)], address)).toEqual(proved);
    expect(await confirm(await fixture.serve(chain), address, DEPLOYED)).toEqual(proved);
    // If a wrong deployment block is given, the right one is searched for.
    for (const given of [0, DEPLOYED - 1, DEPLOYED + 1, HEAD])
      expect(await confirm(await fixture.serve(chain), address, given)).toEqual(proved);
  },
);

test('the time of a contract of the genesis block is that of the block', async () => {
  const chain = chainOf();
  chain.code.set(MADE, 0);
  const { timestamp } = chain.block(0) as ChainBlock;
  const expected = { found: 'at', block: 0, timestamp, transaction: null };
  expect(await confirm(await fixture.serve(chain), MADE, 0)).toEqual(expected);
});

test.each([
  ['nothing of the old state', STATE],
  ['no old code, but old nonces', ['eth_getCode']],
])('a deployment block is not believed of a node that has %s', async (_, methods) => {
  for (const address of [OWN, MADE]) {
    const server = await fixture.serve(chainOf());
    denyState(server, methods);
    const found = await find([server], address);
    expect(found).toMatchObject({ found: 'unproved', because: expect.stringContaining('872') });
  }
});

test.each(['missing trie node 5e', 'state does not maintain archive data', 'the attic is empty'])(
  'is not believed of a node that refuses old state with %j',
  async (message) => {
    const server = await fixture.serve(chainOf());
    server.misbehave({
      methods: STATE,
      when: ([, block]) => Number(block) < 872,
      do: { kind: 'error', code: -32000, message },
    });
    // If the program does not know the message, it requests each block once per attempt.
    expect(await find([server], MADE, 2)).toMatchObject({ found: 'unproved' });
  },
);

test('a deployment block is proved by its receipt although the state of the block before is gone', async () => {
  const server = await fixture.serve(chainOf(872));
  denyState(server);
  expect(await find([server], OWN)).toMatchObject({ found: 'at', block: 872 });
  expect(await find([server], MADE)).toMatchObject({ found: 'unproved' });
});

test('a deployment block is proved above the state that is gone', async () => {
  for (const address of [OWN, MADE]) {
    const server = await fixture.serve(chainOf(900));
    denyState(server);
    expect(await find([server], address)).toMatchObject({ found: 'at', block: 900 });
  }
});

test('a deployment block is found by the second of two endpoints, whose state is whole', async () => {
  const chain = chainOf();
  const [pruned, whole] = [await fixture.serve(chain), await fixture.serve(chain)];
  denyState(pruned);
  for (const address of [OWN, MADE])
    expect(await find([pruned, whole], address)).toMatchObject({ found: 'at', block: DEPLOYED });
});

test('a deployment block is right where one call in ten answers as if there were nothing', async () => {
  for (const address of [OWN, MADE]) {
    for (let offset = 0; offset < 10; offset++) {
      const server = await fixture.serve(chainOf());
      let calls = offset;
      server.misbehave({
        methods: STATE,
        do: { kind: 'result', result: (honest) => (++calls % 10 === 0 ? zeroOf(honest) : honest) },
      });
      const found = await find([server], address);
      if (found.found !== 'nothing') expect(found).toMatchObject({ found: 'at', block: DEPLOYED });
    }
  }
});

test('a deployment block is not believed where no transaction shows that the state of the block before is there', async () => {
  const chain = new Chain();
  chain.mine(HEAD);
  chain.code.set(MADE, DEPLOYED);
  expect(await find([await fixture.serve(chain)], MADE)).toMatchObject({ found: 'unproved' });
});

test.each([
  ['receipts', 'eth_getTransactionReceipt', OWN, 'at'],
  ['receipts', 'eth_getTransactionReceipt', MADE, 'at'],
  ['nonces', 'eth_getTransactionCount', OWN, 'at'],
  ['nonces', 'eth_getTransactionCount', MADE, 'unproved'],
])('a deployment block without %s (%s) is decided by what is left', async (_, method, address, found) => {
  const server = await fixture.serve(chainOf());
  server.misbehave({ methods: [method], do: { kind: 'error', code: -32601, message: 'no such method' } });
  expect(await find([server], address)).toMatchObject({ found });
});

test('a deployment block is not proved by a creation that failed', async () => {
  const server = await fixture.serve(chainOf());
  server.misbehave({
    methods: ['eth_getTransactionReceipt'],
    do: { kind: 'result', result: (honest) => ({ ...(honest as object), status: '0x0' }) },
  });
  denyState(server, STATE, DEPLOYED);
  expect(await find([server], OWN)).toMatchObject({ found: 'unproved' });
});

test('a deployment block is searched for again when the endpoints do not answer', async () => {
  const server = await fixture.serve(chainOf());
  server.misbehave({ methods: ['eth_getCode'], do: { kind: 'http', status: 503 } });
  await expect(find([server], OWN)).rejects.toMatchObject({ kind: 'unavailable' });
});

test('a deployment block is not believed of a node that knows the nonces of accounts, but nothing of contracts', async () => {
  const server = await fixture.serve(chainOf());
  denyState(server, ['eth_getCode']);
  server.misbehave({
    methods: ['eth_getTransactionCount'],
    when: ([account, block]) => account !== SENDER && Number(block) < 872,
    do: { kind: 'result', result: () => '0x0' },
  });
  expect(await find([server], MADE)).toMatchObject({ found: 'unproved' });
});
