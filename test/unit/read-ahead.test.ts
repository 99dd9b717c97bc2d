import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ReadAhead } from '../../indexer/backfill/read-ahead.ts';

const PIECE_BLOCKS = 10;

type Piece = { readonly range: { readonly from: number; readonly to: number }; readonly bytes: number };

/** Creates a reader of ten blocks at a time, and functions that answer or fail its oldest open read. */
function createReader(to: number, maxBytes: number, bytes = 1, isAlone: (from: number) => boolean = () => false) {
  const asked: number[] = [];
  const openReads: { resolve(piece: Piece): void; reject(error: Error): void; from: number }[] = [];
  const reader = new ReadAhead<Piece>({ from: 0, to }, { maxBytes, isAlone }, (from) => {
    asked.push(from);
    return new Promise((resolve, reject) => openReads.push({ resolve, reject, from }));
  });
  const answer = async (until?: number) => {
    const read = openReads.shift();
    read?.resolve({ range: { from: read.from, to: until ?? read.from + PIECE_BLOCKS - 1 }, bytes });
    await turn();
  };
  const fail = async (error: Error) => {
    openReads.shift()?.reject(error);
    await turn();
  };
  return { reader, asked, answer, fail };
}

/** Returns the first block of each piece. */
function starts(pieces: readonly Piece[]): readonly number[] {
  return pieces.map(({ range }) => range.from);
}

test('reads ahead one piece at a time up to its byte limit, and returns all pieces that are ready', async () => {
  const { reader, asked, answer } = createReader(99, 2);
  const first = reader.take();
  expect(asked).toEqual([0]);
  await answer();
  expect(starts(await first)).toEqual([0]);
  for (let piece = 0; piece < 5; piece++) await answer();
  expect(asked).toEqual([0, 10, 20]);
  expect(starts(await reader.take())).toEqual([10, 20]);
  await answer();
  expect(asked).toEqual([0, 10, 20, 30, 40]);
});

test('a piece larger than the byte limit is still read, one at a time', async () => {
  const { reader, asked, answer } = createReader(29, 1, 1_000);
  for (const from of [0, 10, 20]) {
    const pieces = reader.take();
    await answer();
    await answer();
    expect(starts(await pieces)).toEqual([from]);
  }
  expect(asked).toEqual([0, 10, 20]);
  expect(reader.atEnd).toBe(true);
});

test('continues after the last block of a piece that ended early', async () => {
  const { reader, asked, answer } = createReader(19, 100);
  const first = reader.take();
  await answer(4);
  expect((await first)[0]?.range.to).toBe(4);
  await answer();
  expect(asked).toEqual([0, 5, 15]);
});

test('a failed read is thrown after the pieces before it are taken, and is then retried', async () => {
  const { reader, asked, answer, fail } = createReader(29, 100);
  const first = reader.take();
  await answer();
  await answer();
  await fail(new Error('no'));
  await first;
  expect(starts(await reader.take())).toEqual([10]);
  expect(await reader.takeWithin(1_000)).toEqual([]);
  await expect(reader.take()).rejects.toThrow('no');
  const again = reader.take();
  await answer();
  expect(starts(await again)).toEqual([20]);
  expect(asked).toEqual([0, 10, 20, 20]);
});

test('takeWithin returns a piece that arrives in time, and nothing otherwise', async () => {
  const { reader, answer } = createReader(29, 100);
  const first = reader.take();
  await answer();
  await first;
  expect(await reader.takeWithin(1)).toEqual([]);
  const second = reader.takeWithin(10_000);
  await answer();
  expect(starts(await second)).toEqual([10]);
});

test('after a rewind, pieces read beyond the block are dropped, even when they arrive later', async () => {
  const { reader, asked, answer } = createReader(29, 100);
  const first = reader.take();
  await answer();
  await first;
  await answer();
  await reader.take();
  reader.rewindTo(10); // The read from block 20 is still open.
  await answer();
  expect(await reader.takeWithin(1)).toEqual([]);
  const again = reader.take();
  await answer();
  expect(starts(await again)).toEqual([10]);
  expect(asked).toEqual([0, 10, 20, 10, 20]);
  reader.rewindTo(20);
  expect(asked).toHaveLength(5);
});

test('a piece for which isAlone holds is taken by itself', async () => {
  const { reader, answer } = createReader(49, 1_000, 1, (from) => from === 20);
  const first = reader.take();
  for (let piece = 0; piece < 3; piece++) await answer();
  expect(starts(await first)).toEqual([0]);
  expect(starts(await reader.take())).toEqual([10]);
  expect(reader.from).toBe(20);
  const alone = reader.take();
  for (let piece = 0; piece < 3; piece++) await answer();
  expect(starts(await alone)).toEqual([20]);
  await answer();
  await answer();
  expect(starts(await reader.take())).toEqual([30, 40]);
});
