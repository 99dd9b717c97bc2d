import { setTimeout as wait } from 'node:timers/promises';
import { getAddress } from 'viem';
import { expect, test } from 'vitest';
import { announce, announceAll, busyBlocks, MASTER, SUBJECTS, TOKEN } from '../../kit/music.ts';
import { headOf } from '../../kit/oracle/check-database.ts';
import { busyChain, type FollowedScene, follow } from '../../kit/scene.ts';
import { atHead, expectSettled, liveChainOf } from '../../kit/settled.ts';
import { slowDown } from '../../kit/slow-down.ts';
import { until } from '../../kit/until.ts';

const subjectsAt = (...addresses: string[]) => SUBJECTS.filter(({ address }) => addresses.includes(address));
const BLOCK_INTERVAL_MS = 100;

async function followToHead(): Promise<FollowedScene> {
  const scene = await follow({ chain: busyChain(60, 30), announce: false });
  await until('the head', () => atHead(scene.db, scene.chain.chainId, scene.chain.head.hash));
  return scene;
}

async function waitUntilFollowed({ db }: FollowedScene, address: string): Promise<void> {
  await until(`${address} to be followed`, async () => {
    const { rows } = await db.query(
      "select from indexer.contracts where address = lower($1) and live_from is not null and covered <> '{}'",
      [address],
    );
    return rows.length > 0;
  });
}

test.each([
  { how: 'in lower case', write: (address: string) => address, block: 0 },
  { how: 'in checksum case', write: getAddress, block: 0 },
  { how: 'without its deployment block', write: getAddress, block: null },
])('follows a contract that the platform inserts $how while the daemon runs', async ({ write, block }) => {
  const scene = await followToHead();
  const { chain, db, artist, daemon } = scene;
  const { chainId } = chain;
  for (const address of [MASTER, TOKEN]) chain.code.set(address, 1);
  await announce(db, artist, { kind: 'master', chainId, address: write(MASTER), block });
  await announce(db, artist, { kind: 'artist_token', chainId, address: write(TOKEN), block });
  chain.append(...busyBlocks(22)(3));
  await waitUntilFollowed(scene, MASTER);
  await waitUntilFollowed(scene, TOKEN);
  await expectSettled(db, liveChainOf(chain), subjectsAt(MASTER, TOKEN));
  expect(daemon.isRunning).toBe(true);
});

test('filling history below a moving head does not overwrite newer state', async () => {
  const { chain, server, db, artist, settled } = await follow({ chain: busyChain(150, 30), announce: false });
  await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
  const heal = slowDown(server, 200, 5);
  await announceAll(db, artist, chain);
  const blocks = busyBlocks(28);
  const isFilled = async () => {
    const { rows } = await db.query('select bool_and(covered @> live_from - 1) as filled from indexer.contracts');
    return rows[0]?.filled === true;
  };
  let committed = 0;
  for (; !(await isFilled()); await wait(BLOCK_INTERVAL_MS)) {
    chain.append(...blocks(1));
    committed = Math.max(committed, ((await headOf(db, chain.chainId))?.number ?? 0) - 150);
  }
  heal();
  expect(committed).toBeGreaterThan(3);
  await settled();
});

test('follows a contract added with `contracts add` while the daemon runs', async () => {
  const scene = await followToHead();
  const { chain, db, artist, run } = scene;
  const named = ['--chain', String(chain.chainId), '--from-block', '0', '--artist-id', artist.artistId];
  expect(await run('contracts', 'add', 'artist-token', getAddress(TOKEN), ...named).exited).toBe(0);
  chain.append(...busyBlocks(23)(3));
  await waitUntilFollowed(scene, TOKEN);
  await expectSettled(db, liveChainOf(chain), subjectsAt(TOKEN));
});
