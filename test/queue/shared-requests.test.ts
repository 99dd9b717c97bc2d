import { expect, test } from 'vitest';
import { addressOf } from '../kit/event-logs.ts';
import { announce } from '../kit/music.ts';
import { insertArtist } from '../kit/platform-rows.ts';
import { longChain, scene } from './scene.ts';

const MANY = 12;

test('contracts that miss the same history share the requests for it', async () => {
  const place = { url: undefined, redis: undefined };
  const { run, server, db, chain, settled } = await scene(place, longChain(6_000));
  expect(await run('backfill', '--from-block', '0').exited).toBe(0);
  /** Adds `count` contracts, fills their history, and returns the number of requests for logs. */
  const requestsFor = async (count: number) => {
    for (let at = 0; at < count; at++) {
      const artist = await insertArtist(db, `${count}-${at}`);
      const address = addressOf(0x70ce_1000 + 0x100 * count + at);
      await announce(db, artist, { kind: 'artist_token', chainId: chain.chainId, address, block: 0 });
    }
    const before = server.count('eth_getLogs');
    expect(await run('backfill', '--from-block', '0').exited).toBe(0);
    return server.count('eth_getLogs') - before;
  };
  const one = await requestsFor(1);
  const many = await requestsFor(MANY);
  expect(one).toBeGreaterThan(3);
  expect(many).toBeLessThan(1.5 * one);
  await settled();
});
