import { expect, test } from 'vitest';
import { consistentChain } from '../kit/answers.ts';
import { Daemon } from '../kit/daemon.ts';
import { announce, MASTER, TOKEN } from '../kit/music.ts';
import { createScene } from '../kit/scene.ts';
import { until } from '../kit/until.ts';
import { openVerifier } from '../kit/verification.ts';

const BLOCKS = 400;
const FINALIZED = 380;
/** Busy blocks whose logs the node leaves out of its answers: two alone, and several after each other. */
const HIDDEN = [105, 200, 205, 210, 215, 220, 375];
const CALLS_PER_SECOND = 2_000;

/** Creates a database that was filled from a node that hid logs, and a verifier for it. No process writes to it any more. */
async function mirrorWithHoles() {
  const chain = consistentChain(BLOCKS, FINALIZED);
  const settings = { proof: { level: 'off', callsPerSecond: CALLS_PER_SECOND } } as const;
  const scene = await createScene({ chain, settings, announce: false });
  const { chainId } = chain;
  scene.server.view.hiddenLogs = new Set(HIDDEN);
  // Otherwise the bloom of a header would reveal the hidden logs.
  scene.server.view.zeroBlooms = true;
  const daemon = await Daemon.start(scene.env, settings);
  await announce(scene.db, scene.artist, { kind: 'artist_token', chainId, address: TOKEN, block: 1 });
  await announce(scene.db, scene.artist, { kind: 'master', chainId, address: MASTER, block: 1 });
  await until('history to be filled', async () => {
    const { rows } = await scene.db.query(`
      select count(*)::int as complete from indexer.contracts join indexer.chains using (chain_id)
      where covered @> int8range(1, live_from) and head_number = ${BLOCKS}`);
    return rows[0].complete === 2;
  });
  await daemon.kill();
  scene.server.view.hiddenLogs = new Set();
  scene.server.view.zeroBlooms = false;
  return { ...scene, ...openVerifier(scene.url, chainId, [scene.server.url]) };
}

test('a log that the node hid during the fill is found and repaired', async () => {
  const { verify, db } = await mirrorWithHoles();
  const { differences, result } = await verify();
  expect(result.block).toBe(FINALIZED);
  const functions = new Set(differences.filter(({ comparison }) => comparison === 'chain').map(({ column }) => column));
  expect(functions).toEqual(new Set(['ownerOf(uint256)', 'balanceOf(address)']));
  const repaired = await verify({ repairs: true });
  expect(repaired.result).toMatchObject({ left: 0, factsRepaired: 2 * HIDDEN.length });
  expect((await verify()).differences).toEqual([]);
  const { rows } = await db.query('select distinct from_block::int as block from indexer.repairs order by 1');
  expect(rows.map(({ block }) => block)).toEqual(expect.arrayContaining([105, 200]));
});

test('where no state of the past is served, all blocks of the contract are read from receipts', async () => {
  const { verify, server } = await mirrorWithHoles();
  server.misbehave({
    methods: ['eth_call', 'eth_getCode'],
    when: (params) => Number(params[1]) < FINALIZED,
    do: { kind: 'error', code: -32000, message: 'missing trie node' },
  });
  expect((await verify()).result.differences).toBeGreaterThan(0);
  expect((await verify({ repairs: true })).result).toMatchObject({ left: 0, factsRepaired: 2 * HIDDEN.length });
  expect((await verify()).differences).toEqual([]);
});

test('a refusal is no difference: another block is taken, or none', async () => {
  const { verify, server } = await mirrorWithHoles();
  const refuse = (below: number) =>
    server.misbehave({
      methods: ['eth_call', 'eth_getCode'],
      when: (params) => Number(params[1]) < below,
      do: { kind: 'error', code: -32000, message: 'missing trie node' },
    });
  refuse(BLOCKS);
  const atHead = await verify();
  expect(atHead.result.block).toBe(BLOCKS);
  expect(atHead.notes).toContainEqual(
    expect.stringContaining(`no endpoint serves the state of finalized block ${FINALIZED}`),
  );
  refuse(BLOCKS + 1);
  const nowhere = await verify();
  expect(nowhere.result).toMatchObject({ block: null, answers: 0 });
  expect(nowhere.differences.filter(({ comparison }) => comparison === 'chain')).toEqual([]);
});
