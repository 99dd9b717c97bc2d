import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HeadFeed } from '../../indexer/follower/head-feed.ts';
import type { BlockHeader } from '../../indexer/kernel/chain.ts';
import { blockHashOf } from '../kit/event-logs.ts';

function header(number: number, parent = number - 1): BlockHeader {
  return { number, hash: blockHashOf(number), parentHash: blockHashOf(parent), timestamp: number, logsBloom: '0x' };
}

/** Returns a feed and functions that announce heads to it and end it. */
function createFeed() {
  const stream = new TransformStream<BlockHeader, BlockHeader>(undefined, { highWaterMark: 100 });
  const writer = stream.writable.getWriter();
  return {
    feed: new HeadFeed(stream.readable),
    announce: async (...heads: BlockHeader[]) => {
      for (const head of heads) await writer.write(head);
      await turn();
    },
    end: async () => {
      await writer.close();
      await turn();
    },
  };
}

test('returns the newest head, each head once, and none after the stream has ended', async () => {
  const { feed, announce, end } = createFeed();
  const first = feed.next();
  await announce(header(1));
  expect(await first).toEqual(header(1));
  await announce(header(2), header(3));
  expect(await feed.next()).toEqual(header(3));
  expect(await feed.next(1)).toBeUndefined();
  expect(feed.hasEnded).toBe(false);
  const last = feed.next();
  await end();
  expect(await last).toBeUndefined();
  expect(feed.hasEnded).toBe(true);
});

test('nextDescendant returns a head above the given block as soon as it is announced', async () => {
  const { feed, announce } = createFeed();
  const never = new Promise(() => undefined);
  const child = feed.nextDescendant(header(5), never);
  await announce(header(6));
  expect(await child).toEqual(header(6));
  const later = feed.nextDescendant(header(6), never);
  await announce(header(9));
  expect(await later).toEqual(header(9));
});

test('a head that is not a descendant is left for the next call of next()', async () => {
  const { feed, announce } = createFeed();
  for (const other of [header(6, 99), header(5), header(2)]) {
    await announce(other);
    expect(await feed.nextDescendant(header(5), Promise.resolve())).toBeUndefined();
    expect(await feed.next()).toEqual(other);
  }
});

test('nextDescendant stops waiting when the commit ends or the stream of heads ends', async () => {
  const { feed, announce, end } = createFeed();
  const commit = Promise.withResolvers<void>();
  const waiting = feed.nextDescendant(header(5), commit.promise);
  commit.resolve();
  expect(await waiting).toBeUndefined();
  await announce(header(6));
  expect(await feed.next()).toEqual(header(6));
  const ended = feed.nextDescendant(header(6), new Promise(() => undefined));
  await end();
  expect(await ended).toBeUndefined();
});

test('tells whether a descendant of a block waits, without taking it', async () => {
  const { feed, announce } = createFeed();
  expect(feed.hasDescendant(header(1))).toBe(false);
  await announce(header(2));
  expect(feed.hasDescendant(header(1))).toBe(true);
  expect(feed.hasDescendant(header(2))).toBe(false);
  await announce({ ...header(2), parentHash: blockHashOf(77) });
  expect(feed.hasDescendant(header(1))).toBe(false);
  expect((await feed.next())?.number).toBe(2);
});
