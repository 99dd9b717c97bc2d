import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow } from '../../kit/scene.ts';

const TURNS = 16;
const TURN_MS = 250;

test('two daemons on one database write nothing twice, and one continues when the other is killed', async () => {
  const { chain, db, daemon, startDaemon, settled } = await follow({ chain: busyChain(60, 30) });
  const second = await startDaemon();
  const blocks = busyBlocks(24);
  for (let turn = 0; turn < TURNS; turn++) {
    if (turn % 4 === 3) chain.reorg(1 + (turn % 5), blocks(6));
    else chain.append(...blocks(2));
    await wait(TURN_MS);
  }
  await settled();
  expect([daemon.isRunning, second.isRunning]).toEqual([true, true]);
  for (const program of [daemon, second]) expect((await program.ready()).status).toBe(200);
  const { rows } = await db.query('select epoch, (select count(*) from indexer.reorgs) as reorgs from indexer.chains');
  expect(rows[0]?.epoch).toBe(rows[0]?.reorgs);
  await daemon.kill();
  chain.append(...blocks(5));
  await settled();
});
