import { encodeAbiParameters } from 'viem';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import type { ChainReader } from '../../indexer/protocols/shared/chain-reader.ts';
import { addContracts } from '../../indexer/registry/add.ts';
import { loadContracts } from '../../indexer/registry/contracts.ts';
import { type Found, refreshMetadata } from '../../indexer/registry/metadata.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';

const CHAIN = 1;
const TOKEN: Hex = `0x${'aa'.repeat(20)}`;
const OTHER: Hex = `0x${'bb'.repeat(20)}`;
const POOL: Hex = `0x${'cc'.repeat(20)}`;
const signal = new AbortController().signal;

const string = (text: string): Hex => encodeAbiParameters([{ type: 'string' }], [text]);
const word = (value: bigint): Hex => `0x${value.toString(16).padStart(64, '0')}`;

let test: TestDatabase;
let database: Database;

beforeEach(async () => {
  test = await createDatabase();
  database = openDatabase({ url: test.url });
  await addContracts(database, [
    { kind: 'artist_token', chainId: CHAIN, address: TOKEN, fromBlock: 1, artistId: undefined },
    { kind: 'pool', chainId: CHAIN, address: POOL, fromBlock: 1, type: 'sushiswap', token0: TOKEN, token1: OTHER },
  ]);
  return async () => {
    await database.close();
    await test.drop();
  };
});

/** Returns a chain reader with answers by selector, or by address and selector. */
const reader = (answers: Record<string, Hex>, code = true): ChainReader => ({
  call: async (to, data) => answers[`${to} ${data}`] ?? answers[data] ?? '0x',
  code: async () => undefined,
  codeAt: async () => code,
  proveDeployment: async () => ({ outcome: 'agreed', timestamp: 0 }),
});

async function refresh(address: Hex, chain: ChainReader): Promise<Found | null> {
  const contract = (await loadContracts(database.kysely, CHAIN)).contracts.find((known) => known.address === address);
  if (contract === undefined) throw new Error('the contract is not registered');
  return refreshMetadata(database.kysely, chain, contract, 100, signal);
}

const token = async () =>
  (await database.pool.query('select name, symbol, decimals, logo_url, description from artist_tokens')).rows[0];
const pool = async () =>
  (
    await database.pool.query(
      'select pool_type, token0_address, token1_address, token0_symbol, token1_symbol from liquidity_pools',
    )
  ).rows[0];

describe('an artist token', () => {
  it('takes name, symbol and decimals from the chain, and keeps the other columns of the platform', async () => {
    await database.pool.query(`update artist_tokens set name = 'typed', logo_url = 'x', description = 'mine'`);
    const chain = reader({ '0x06fdde03': string('Artist'), '0x95d89b41': string('ART'), '0x313ce567': word(6n) });
    expect(await refresh(TOKEN, chain)).toMatchObject({ speaks: null });
    expect(await token()).toEqual({ name: 'Artist', symbol: 'ART', decimals: '6', logo_url: 'x', description: 'mine' });
    expect((await loadContracts(database.kysely, CHAIN)).contracts[0]).toMatchObject({
      address: TOKEN,
      metadataRead: true,
    });
  });

  it.each<[string, Record<string, Hex>, object]>([
    ['reverts on everything', {}, { name: '', symbol: '', decimals: '18' }],
    [
      'returns a megabyte, NUL bytes and 255 decimals',
      {
        '0x06fdde03': string(`\u0000${'🎵'.repeat(250_000)}`),
        '0x95d89b41': string('S'.repeat(99)),
        '0x313ce567': word(255n),
      },
      { name: '🎵'.repeat(100), symbol: 'S'.repeat(20), decimals: '255' },
    ],
    ['returns 2^256-1 decimals', { '0x313ce567': word((1n << 256n) - 1n) }, { name: '', symbol: '', decimals: '18' }],
  ])('that %s is stored with legal values', async (_, answers, stored) => {
    expect(await refresh(TOKEN, reader(answers))).not.toBeNull();
    expect(await token()).toMatchObject(stored);
  });

  it('that returns nothing keeps the name that is known', async () => {
    await database.pool.query(`update artist_tokens set name = 'known', symbol = 'K', decimals = '9'`);
    await refresh(TOKEN, reader({}));
    expect(await token()).toMatchObject({ name: 'known', symbol: 'K', decimals: '9' });
  });

  it('that is not deployed yet is read again later', async () => {
    expect(await refresh(TOKEN, reader({}, false))).toBeNull();
    expect((await loadContracts(database.kysely, CHAIN)).contracts[0]?.metadataRead).toBe(false);
  });
});

describe('a pool', () => {
  const tokens = {
    '0x0dfe1681': word(BigInt(OTHER)),
    '0xd21220a7': word(BigInt(TOKEN)),
    [`${OTHER} 0x95d89b41`]: string('WETH'),
  };
  const reserves = `0x${'0'.repeat(64 * 3)}` as const;
  const slot0 = `0x${'0'.repeat(64 * 7)}` as const;

  it('takes tokens and symbols from the chain, and a fork of V2 keeps its type', async () => {
    await refresh(POOL, reader({ ...tokens, '0x0902f1ac': reserves }));
    expect(await pool()).toEqual({
      pool_type: 'sushiswap',
      token0_address: OTHER,
      token1_address: TOKEN,
      token0_symbol: 'WETH',
      token1_symbol: '',
    });
  });

  it('is typed as V3 or V2 by the calls that it answers', async () => {
    await refresh(POOL, reader({ ...tokens, '0x3850c7bd': slot0, '0x1a686502': word(1n), '0xddca3f43': word(500n) }));
    expect(await pool()).toMatchObject({ pool_type: 'uniswap_v3' });
    await refresh(POOL, reader({ ...tokens, '0x0902f1ac': reserves, '0x5909c0d5': word(1n) }));
    expect(await pool()).toMatchObject({ pool_type: 'uniswap_v2' });
  });

  it('that returns no tokens keeps those that the platform wrote', async () => {
    await refresh(POOL, reader({}));
    expect(await pool()).toMatchObject({ token0_address: TOKEN, token1_address: OTHER, pool_type: 'sushiswap' });
  });
});
