import { encodeAbiParameters, type Hex as ViemHex } from 'viem';
import { describe, expect, it } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { Aborted, RpcError } from '../../indexer/kernel/errors.ts';
import { addressOf, decimalsOf, textOf, URI_BYTES_MAX, uriOf } from '../../indexer/protocols/shared/answers.ts';
import { type CallSource, type ChainReader, chainReaderOver } from '../../indexer/protocols/shared/chain-reader.ts';
import { readPool, readToken } from '../../indexer/protocols/shared/metadata.ts';
import { findDeployment } from '../../indexer/registry/deployment.ts';
import type { DeploymentProof } from '../../indexer/source/source.ts';

const string = (text: string): Hex => encodeAbiParameters([{ type: 'string' }], [text]) as ViemHex;
const bytes = (data: string): Hex => encodeAbiParameters([{ type: 'bytes' }], [`0x${data}`]);
const word = (value: bigint): string => value.toString(16).padStart(64, '0');
const bytes32 = (text: string): Hex => `0x${Buffer.from(text).toString('hex').padEnd(64, '0')}`;

describe('a text that a contract returns', () => {
  it.each<[string, Hex, string]>([
    ['a string', string('Artist Coin'), 'Artist Coin'],
    ['an empty string', string(''), ''],
    ['other scripts and emoji', string('音楽 🎵 naïve'), '音楽 🎵 naïve'],
    ['bytes32 padded with zeros, as MKR and SAI return', bytes32('Maker'), 'Maker'],
    ['bytes32 of zeros', bytes32(''), ''],
    ['empty data, as after a revert', '0x', ''],
    ['half a 32-byte word', `0x${'11'.repeat(16)}`, ''],
    ['NUL and control characters', string('a\u0000b\u0007\nc\u009f'), 'abc'],
    ['only NUL characters', string('\u0000\u0000'), ''],
    ['invalid UTF-8', bytes('61ff62c0'), 'a\ufffdb\ufffd'],
    ['a lone surrogate, encoded', bytes('61eda08062'), 'a\ufffd\ufffd\ufffdb'],
    ['surrounding blanks', string('  padded  '), 'padded'],
    ['an offset past the end', `0x${word(1n << 255n)}${word(5n)}${word(0n)}`, ''],
    ['an offset that points to itself', `0x${word(0n)}${word(5n)}${word(0n)}`, ''],
    ['a length past the end', `0x${word(32n)}${word((1n << 256n) - 1n)}${Buffer.from('abc').toString('hex')}`, 'abc'],
    ['a length without bytes', `0x${word(32n)}${word(3n)}`, ''],
    ['an offset without a length', `0x${word(64n)}${word(0n)}`, ''],
  ])('is decoded from %s', (_, answer, text) => {
    expect(textOf(answer, 100)).toBe(text);
  });

  it('is cut to the length of its column, counted in code points as PostgreSQL does', () => {
    expect(textOf(string('🎵'.repeat(150)), 100)).toBe('🎵'.repeat(100));
    expect(textOf(string('x'.repeat(1_000_000)), 20)).toBe('x'.repeat(20));
  });
});

describe('a URI that a contract returns', () => {
  const data = `data:application/json;base64,${'QUJD'.repeat(5_000)}`;
  it.each<[string, Hex, string | undefined]>([
    ['a string', string('ipfs://Qm/1.json'), 'ipfs://Qm/1.json'],
    ['a long data: URI', string(data), data],
    ['an empty string', string(''), ''],
    ['empty data', '0x', ''],
    ['bytes32, which no tokenURI returns', bytes32('ipfs://'), ''],
    ['NUL and control characters', string('ipfs://\u0000a\n'), 'ipfs://a'],
    ['invalid UTF-8', bytes('61ff'), 'a\ufffd'],
    ['as many bytes as are taken', string('x'.repeat(URI_BYTES_MAX)), 'x'.repeat(URI_BYTES_MAX)],
    ['one byte more', string('x'.repeat(URI_BYTES_MAX + 1)), undefined],
    ['a megabyte', string('x'.repeat(1_000_000)), undefined],
    ['a length past the end', `0x${word(32n)}${word((1n << 256n) - 1n)}${Buffer.from('abc').toString('hex')}`, 'abc'],
    ['an offset past the end', `0x${word(1n << 255n)}${word(5n)}${word(0n)}`, ''],
  ])('is decoded from %s', (_, answer, uri) => {
    expect(uriOf(answer)).toBe(uri);
  });
});

describe('a number or an address that a contract returns', () => {
  it('is a valid number of decimals only from 0 to 255', () => {
    expect([0n, 18n, 255n].map((n) => decimalsOf(`0x${word(n)}`))).toEqual([0, 18, 255]);
    expect([256n, 1n << 255n].map((n) => decimalsOf(`0x${word(n)}`))).toEqual([undefined, undefined]);
    expect(decimalsOf('0x')).toBeUndefined();
    expect(decimalsOf('0x12')).toBeUndefined();
  });

  it('is a valid address only when the bytes above its 20 are zero', () => {
    expect(addressOf(`0x${'0'.repeat(24)}${'Ab'.repeat(20)}`)).toBe(`0x${'ab'.repeat(20)}`);
    expect(addressOf(`0x${word(1n << 160n)}`)).toBeUndefined();
    expect(addressOf('0x')).toBeUndefined();
  });
});

const signal = new AbortController().signal;
const TOKEN0: Hex = `0x${'0a'.repeat(20)}`;
const TOKEN1: Hex = `0x${'0b'.repeat(20)}`;
const POOL: Hex = `0x${'0c'.repeat(20)}`;

function readerOf(answers: Record<string, Hex>): ChainReader {
  return {
    call: async (to, data) => answers[`${to} ${data}`] ?? answers[data] ?? '0x',
    code: async () => undefined,
    codeAt: async () => true,
    proveDeployment: async () => ({ outcome: 'agreed', timestamp: 0 }),
  };
}

const addressWord = (address: Hex): Hex => `0x${address.slice(2).padStart(64, '0')}`;
const TOKENS = {
  '0x0dfe1681': addressWord(TOKEN0),
  '0xd21220a7': addressWord(TOKEN1),
  [`${TOKEN0} 0x95d89b41`]: string('ART'),
  [`${TOKEN1} 0x95d89b41`]: bytes32('WETH'),
};

describe('reading from the chain', () => {
  it('returns what a token answers, and empty values for what it does not', async () => {
    const answering = readerOf({
      '0x06fdde03': string('Artist'),
      '0x95d89b41': string('ART'),
      '0x313ce567': `0x${word(6n)}`,
    });
    expect(await readToken(answering, TOKEN0, signal)).toEqual({ name: 'Artist', symbol: 'ART', decimals: 6 });
    expect(await readToken(readerOf({}), TOKEN0, signal)).toEqual({ name: '', symbol: '', decimals: undefined });
  });

  it('returns the tokens and the family of a pool', async () => {
    const pool = { token0: TOKEN0, token1: TOKEN1, token0Symbol: 'ART', token1Symbol: 'WETH' };
    const v2 = readerOf({ ...TOKENS, '0x0902f1ac': `0x${word(1n).repeat(3)}` });
    const v3 = readerOf({ ...TOKENS, '0x3850c7bd': `0x${word(1n).repeat(7)}` });
    expect(await readPool(v2, POOL, signal)).toEqual({ ...pool, family: 'v2' });
    expect(await readPool(v3, POOL, signal)).toEqual({ ...pool, family: 'v3' });
    expect(await readPool(readerOf(TOKENS), POOL, signal)).toEqual({ ...pool, family: undefined });
    expect(await readPool(readerOf({}), POOL, signal)).toBeUndefined();
  });
});

describe('a source as reader', () => {
  const failing = (error: Error): CallSource => ({
    call: () => Promise.reject(error),
    code: () => Promise.reject(error),
    codeAt: () => Promise.reject(error),
    proveDeployment: () => Promise.reject(error),
  });

  it('turns a revert into an empty answer, and state that is not served into a value', async () => {
    expect(await chainReaderOver(failing(new RpcError('rejected', 'reverted'))).call(POOL, '0x', signal)).toBe('0x');
    for (const error of [
      new RpcError('pruned', 'gone'),
      new RpcError('unavailable', 'the attic', { answered: true }),
    ]) {
      expect(await chainReaderOver(failing(error)).codeAt(POOL, 1, signal)).toBe('no state');
      expect(await chainReaderOver(failing(error)).code(POOL, signal)).toBeUndefined();
    }
  });

  it('does not treat a failing endpoint as an answer', async () => {
    for (const error of [new RpcError('unavailable', 'down'), new Aborted('stop')]) {
      await expect(chainReaderOver(failing(error)).call(POOL, '0x', signal)).rejects.toBe(error);
      await expect(chainReaderOver(failing(error)).codeAt(POOL, 1, signal)).rejects.toBe(error);
      await expect(chainReaderOver(failing(error)).code(POOL, signal)).rejects.toBe(error);
    }
  });
});

describe('the deployment block', () => {
  /** Returns a reader of a contract whose deployment can be proved. Its node refuses or denies the state below some blocks. */
  function history(deployedAt: number, { refusedBelow = 0, deniedBelow = 0 } = {}) {
    const reader = {
      requests: 0,
      codeAt: async (_: Hex, block: number) => {
        reader.requests += 1;
        return block < refusedBelow ? ('no state' as const) : block >= Math.max(deployedAt, deniedBelow);
      },
      proveDeployment: async (_: Hex, block: number): Promise<DeploymentProof> =>
        block === deployedAt
          ? { outcome: 'agreed', timestamp: 0 }
          : { outcome: 'unproved', because: `not in ${block}` },
    };
    return reader;
  }

  it.each([0, 1, 2, 499, 999, 1000])('is found at block %i', async (deployedAt) => {
    expect(await findDeployment(history(deployedAt), POOL, 1000, signal)).toMatchObject({
      found: 'at',
      block: deployedAt,
    });
  });

  it('is found in few requests on a long chain', async () => {
    const reader = history(21_000_000);
    await findDeployment(reader, POOL, 25_000_000, signal);
    expect(reader.requests).toBeLessThan(30);
  });

  it('is not found before the code exists', async () => {
    expect(await findDeployment(history(1001), POOL, 1000, signal)).toEqual({ found: 'nothing' });
  });

  it('is found within the kept state, and unknown below it', async () => {
    for (const state of [{ refusedBelow: 600 }, { deniedBelow: 600 }]) {
      expect(await findDeployment(history(700, state), POOL, 1000, signal)).toMatchObject({ found: 'at', block: 700 });
      expect(await findDeployment(history(600, state), POOL, 1000, signal)).toMatchObject({ found: 'at', block: 600 });
      expect(await findDeployment(history(500, state), POOL, 1000, signal)).toEqual({
        found: 'unproved',
        because: 'not in 600',
      });
    }
  });

  it('is unknown where no state is served, not even that of the head', async () => {
    expect(await findDeployment(history(5, { refusedBelow: 2000 }), POOL, 1000, signal)).toMatchObject({
      found: 'unproved',
    });
  });
});
