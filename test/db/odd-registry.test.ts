import { encodeAbiParameters } from 'viem';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { createLogger } from '../../indexer/observability/log.ts';
import { chainReaderOver } from '../../indexer/protocols/shared/chain-reader.ts';
import { addContracts } from '../../indexer/registry/add.ts';
import { ContractReader } from '../../indexer/registry/enrich.ts';
import { Chain } from '../kit/chain.ts';
import type { ChainServer, Fault } from '../kit/chain-server.ts';
import { createDatabase } from '../kit/postgres.ts';
import { log, sourceFixture } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const fixture = sourceFixture();
const [ODD, GOOD]: [Hex, Hex] = [`0x${'a1'.repeat(20)}`, `0x${'b2'.repeat(20)}`];
const [DEPLOYED, HEAD] = [5, 20];
const text = (value: string): Hex => encodeAbiParameters([{ type: 'string' }], [value]);
const word = (value: number): Hex => `0x${value.toString(16).padStart(64, '0')}`;
/** What both tokens answer, by selector: name, symbol, decimals, allowance. */
const ANSWERS: Readonly<Record<string, Hex>> = {
  '0x06fdde03': text('Coin'),
  '0x95d89b41': text('COIN'),
  '0x313ce567': word(18),
  '0xdd62ed3e': word(0),
};

type Row = { readonly block: number | null; readonly name: string; readonly status: string };
const RIGHT: Row = { block: DEPLOYED, name: 'Coin', status: 'active' };

let database: Database;

beforeEach(async () => {
  const created = await createDatabase();
  database = openDatabase({ url: created.url });
  const token = { kind: 'artist_token', chainId: 31_337, fromBlock: undefined, artistId: undefined } as const;
  await addContracts(database, [
    { ...token, address: ODD },
    { ...token, address: GOOD },
  ]);
  return async () => {
    await database.close();
    await created.drop();
  };
});

function tokenChain(): Chain {
  const chain = new Chain();
  for (let number = 1; number <= HEAD; number++) {
    chain.append({ logs: [log()], ...(number === DEPLOYED && { creates: [ODD, GOOD] }) });
  }
  chain.call = (_, data) => ANSWERS[data.slice(0, 10)] ?? '0x';
  return chain;
}

/** Reads the registry once through some servers, and returns what is known of a token then. */
async function readThrough(servers: readonly ChainServer[]): Promise<(address: Hex) => Row> {
  const source = fixture.open(servers.map(({ url }) => url));
  const log = createLogger({ level: 'silent', redact: (line) => line, sink: process.stderr, pretty: false });
  const runtime = { now: () => performance.now(), random: Math.random };
  const reader = chainReaderOver(source);
  const registry = new ContractReader({ db: database.kysely, chainId: 31_337, reader, log, runtime });
  await registry.read(HEAD, new AbortController().signal);
  const { rows } = await database.pool.query(
    `select address, contract.status, contract.deployed_at_block::int as block, token.name
     from indexer.contracts contract join artist_tokens token on token.id = contract.platform_id`,
  );
  return (address) => {
    const { block, name, status } = rows.find((row) => row.address === address);
    return { block, name, status };
  };
}

const isOdd = ([first]: readonly unknown[]) => String((first as { to?: unknown })?.to ?? first).toLowerCase() === ODD;
const REGISTRY_METHODS = ['eth_call', 'eth_getCode'];

const SHAPES: readonly (readonly [string, Fault['do']])[] = [
  ['null', { kind: 'result', result: () => null }],
  ['a number', { kind: 'result', result: () => 7 }],
  ['an object', { kind: 'result', result: () => ({ code: '0x60' }) }],
  ['an odd number of digits', { kind: 'result', result: () => '0x123' }],
  ['text', { kind: 'result', result: () => 'Coin' }],
  [
    '5 MB of data',
    { kind: 'result', result: (honest) => (String(honest).length > 8 ? `0x${'11'.repeat(5_000_000)}` : honest) },
  ],
  ['no code or data', { kind: 'result', result: () => '0x' }],
  ['an error in unknown words', { kind: 'error', code: -32_000, message: 'the attic is empty' }],
  ['an unknown method', { kind: 'error', code: -32_601, message: 'the method does not exist' }],
];

/** Answers after which the program pauses the endpoint, or all requests of the same kind, for a while. */
const SLOWING: typeof SHAPES = [
  ['an internal error', { kind: 'error', code: -32_603, message: 'Internal error' }],
  ['HTML', { kind: 'http', status: 502, body: '<html>bad gateway</html>' }],
];

describe.each(SHAPES)('a node that answers with %s', (_, shape) => {
  test('about one contract does not keep another from being read', async () => {
    const server = await fixture.serve(tokenChain());
    server.misbehave({ methods: REGISTRY_METHODS, when: isOdd, do: shape });
    // On a busy machine the endpoint may count as ill for a moment.
    const read = await until('the other contract to be read', async () => {
      const found = await readThrough([server]);
      return found(GOOD).block === DEPLOYED && found(GOOD).name === 'Coin' ? found : undefined;
    });
    expect(read(GOOD)).toEqual(RIGHT);
    const odd = read(ODD);
    expect(odd.status).toBe('active');
    expect([null, DEPLOYED]).toContain(odd.block);
    expect(['', 'Coin']).toContain(odd.name);
  });
});

test.each([...SHAPES, ...SLOWING])('the second endpoint is asked where the first answers with %s', async (_, shape) => {
  const chain = tokenChain();
  const [bad, healthy] = [await fixture.serve(chain), await fixture.serve(chain)];
  bad.misbehave({ methods: REGISTRY_METHODS, when: isOdd, do: shape });
  const read = await readThrough([bad, healthy]);
  expect(read(GOOD)).toEqual(RIGHT);
  const odd = read(ODD);
  expect(odd).toMatchObject({ block: DEPLOYED, status: 'active' });
  expect(['', 'Coin']).toContain(odd.name);
});

test('a node that serves nothing but receipts leaves contracts to be read later', async () => {
  const server = await fixture.serve(tokenChain());
  server.misbehave({
    methods: [...REGISTRY_METHODS, 'eth_getTransactionCount', 'eth_getBlockByNumber'],
    do: { kind: 'error', code: -32_000, message: 'nothing but receipts' },
  });
  const read = await readThrough([server]);
  for (const address of [ODD, GOOD]) expect(read(address)).toEqual({ block: null, name: '', status: 'active' });
  server.heal();
  expect((await readThrough([server]))(GOOD)).toEqual(RIGHT);
});
