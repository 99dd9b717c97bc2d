import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HeadFeed } from '../../indexer/follower/head-feed.ts';
import type { BlockHeader } from '../../indexer/kernel/chain.ts';
import { blockHashOf } from '../kit/event-logs.ts';

function header(number: number, parent = number - 1): BlockHeader {
  return { number, hash: blockHashOf(number), parentHash: blockHashOf(parent), timestamp: number, logsBloom: '0x' };
}

/** Heads that are given one by one. */
function feeding() {
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

test('gives the newest head, each once, and none after the last', async () => {
  const { feed, announce, end } = feeding();
  const first = feed.next();
  await announce(header(1));
  expect(await first).toEqual(header(1));
  await announce(header(2), header(3));
  expect(await feed.next()).toEqual(header(3));
  const last = feed.next();
  await end();
  expect(await last).toBeUndefined();
});

test('a head that goes on from a block is given to who stands there, as soon as it comes', async () => {
  const { feed, announce } = feeding();
  const never = new Promise(() => undefined);
  const child = feed.nextDescendant(header(5), never);
  await announce(header(6));
  expect(await child).toEqual(header(6));
  const later = feed.nextDescendant(header(6), never);
  await announce(header(9));
  expect(await later).toEqual(header(9));
});

test('a head that does not go on is left for who decides about it', async () => {
  const { feed, announce } = feeding();
  for (const other of [header(6, 99), header(5), header(2)]) {
    await announce(other);
    expect(await feed.nextDescendant(header(5), Promise.resolve())).toBeUndefined();
    expect(await feed.next()).toEqual(other);
  }
});

test('nobody waits for a head behind a block once the commit is over, or the heads are', async () => {
  const { feed, announce, end } = feeding();
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
