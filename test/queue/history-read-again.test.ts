import { expect, test } from 'vitest';
import { busyBlocks, MASTER } from '../kit/music.ts';
import { programWithout } from '../kit/older-program.ts';
import { Program } from '../kit/program.ts';
import { createScene } from '../kit/scene.ts';
import { atHead } from '../kit/settled.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { digestOf, longChain } from './scene.ts';

const BLOCKS = 600;

test('a program that knows more events than its predecessor reads the history again while it follows the head', async () => {
  const { chain, server, url, db, env, run, settled } = await createScene({ chain: longChain(BLOCKS) });
  const older = await programWithout('erc721c.v1.ts', ['Minted', 'DefaultRoyaltySet']);
  const program = new Program(['start'], env, { main: older });
  const gaps = async () => {
    const { rows } = await db.query(
      `select count(*)::int as count from indexer.contracts where not covered @> int8range(deployed_at_block, live_from)`,
    );
    return rows[0].count as number;
  };
  await until('the older program to be at the head', () => atHead(db, chain.chainId, chain.head.hash));
  await until('the older program to fill history', async () => (await gaps()) === 0);
  const known = `select count(*)::int as count from indexer.contract_events where event in ('Minted', 'DefaultRoyaltySet')`;
  expect((await db.query(known)).rows).toEqual([{ count: 0 }]);
  expect(await program.stop()).toBe(0);

  // Reading is slow, so that the head can be seen to move meanwhile.
  const heal = slowDown(server, 150, 10);
  const newer = run('start');
  await until(
    'the history to be read again',
    () => newer.logLines('reading contract history again', MASTER).length > 0,
  );
  chain.append(...busyBlocks(3)(2));
  await until('the head to move on', () => atHead(db, chain.chainId, chain.head.hash));
  const status = run('status', '--json');
  expect(await status.exited).toBe(0);
  expect(status.stdout).toMatch(/events added: .*(Minted|DefaultRoyaltySet)/);
  heal();
  await settled();

  const fresh = await createScene({ chain });
  fresh.run('start');
  await fresh.settled();
  expect(await digestOf(url)).toEqual(await digestOf(fresh.url));
});
