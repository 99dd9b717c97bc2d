import { expect, test } from 'vitest';
import { onEachQueue } from '../kit/redis.ts';
import { atHead } from '../kit/settled.ts';
import { until } from '../kit/until.ts';
import { withholdBlock } from '../kit/withhold-block.ts';
import { IN_POSTGRES, longChain, scene } from './scene.ts';

await onEachQueue((place) => {
  test('pruned history becomes dead letters with the reason, is not requested again, and is filled once a node serves it', async () => {
    const { run, server, db, chain, settled } = await scene(place(), longChain(9_000));
    server.view.prunedBelow = 4_500;
    const backfill = run('backfill', '--from-block', '0', '--json');
    expect(await backfill.exited).toBe(1);
    expect(backfill.stderr).toContain('is not complete; retry with: indexer backfill --chain 31337');
    const outcome = JSON.parse(backfill.stdout);
    expect(outcome.ended).toBe('incomplete');
    expect(outcome.dead.map(({ from, to }: { from: number; to: number }) => [from, to])).toEqual([
      [0, 3_999],
      [4_000, 4_499],
    ]);
    expect(outcome.dead[0].reason).toContain('pruned history unavailable');
    expect(outcome.incomplete[0].missing).toEqual([{ from: 0, to: 4_499 }]);
    // On a busy machine the queue may not answer the first time.
    const status = await until('the status to know the queue', async () => {
      const program = run('status', '--json');
      await program.exited;
      const [shown] = JSON.parse(program.stdout).chains;
      return shown.queue !== null && shown;
    });
    expect(status).toMatchObject({
      queue: { waiting: 0, active: 0, delayed: 0 },
      deadRanges: [{ from: 0 }, { from: 4_000 }],
    });

    const asked = server.count('eth_getLogs');
    const daemon = run('start');
    await until('the daemon', () => daemon.logLines('leading the chain').length > 0);
    // The daemon plans again while it follows the head.
    for (let block = 0; block < 3; block++) {
      chain.mine(1);
      await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
    }
    expect(server.count('eth_getLogs') - asked).toBeLessThan(20);

    server.view.prunedBelow = 0;
    expect(await run('backfill', '--from-block', '0').exited).toBe(0);
    expect((await db.query('select from indexer.dead_letters')).rows).toEqual([]);
    await settled();
  });

  test('a failed range that cannot be recorded because the database is unavailable is not lost', async () => {
    const { run, server, db, settled } = await scene(place(), longChain(3_000));
    server.view.prunedBelow = 500;
    await db.query(`
      create function refuse() returns trigger language plpgsql
      as $$ begin raise exception using errcode = '57P03', message = 'away'; end $$;
      create trigger refuse before insert on indexer.dead_letters for each row when (new.kind = 'job')
      execute function refuse()`);
    const backfill = run('backfill', '--from-block', '0');
    await until('the refusal', () => backfill.logLines('backfill paused', 'away').length > 0);
    server.view.prunedBelow = 0;
    expect(await backfill.exited).toBe(0);
    await settled();
  });
});

test('a single block with contradicting logs and receipts becomes a dead letter, and the blocks around it are filled', async () => {
  const { run, server, chain } = await scene(IN_POSTGRES, longChain(3_000));
  const bad = 1_201;
  withholdBlock(server, bad);
  expect(chain.block(bad)?.logs.length).toBeGreaterThan(0);
  const backfill = run('backfill', '--from-block', '0', '--json');
  expect(await backfill.exited).toBe(1);
  const { dead, incomplete } = JSON.parse(backfill.stdout);
  expect(dead).toEqual([
    {
      from: bad,
      to: bad,
      reason: expect.stringContaining('a receipt or its logs belong to another block or transaction'),
    },
  ]);
  expect(incomplete[0].missing).toEqual([{ from: bad, to: bad }]);
  expect(
    Number(
      backfill.stderr
        .match(/"retries":(\d+)/g)
        ?.at(-1)
        ?.split(':')[1],
    ),
  ).toBeGreaterThan(3);
});
