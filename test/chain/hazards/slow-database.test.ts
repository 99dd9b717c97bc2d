import { setTimeout as wait } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { headOf } from '../../kit/oracle/check-database.ts';
import { TcpProxy } from '../../kit/proxy.ts';
import { follow } from '../../kit/scene.ts';

const STATEMENT_MS = 100;
const BACKLOG_BLOCKS = 160;
const LIVE_BLOCKS = 8;
/** Blocks that may be read ahead: one range being committed, one being read and one being cut. */
const AHEAD_BLOCKS = 3 * 32;
const MEMORY_MIB = 400;

test('with 100 ms for every statement, reading ahead and memory stay bounded', async () => {
  const proxy = await TcpProxy.before(inject('postgresUrl'));
  const { chain, server, db, daemon, settled } = await follow({ databaseProxy: proxy });
  await settled();
  proxy.delayMs = STATEMENT_MS;
  let newestRequested = 0;
  server.misbehave({
    methods: ['eth_getLogs'],
    do: {
      kind: 'result',
      result(honest, [filter]) {
        const { blockHash } = filter as { blockHash?: `0x${string}` };
        newestRequested = Math.max(newestRequested, (blockHash && chain.blockOf(blockHash)?.number) ?? 0);
        return honest;
      },
    },
  });
  const blocks = busyBlocks(20);
  chain.append(...blocks(BACKLOG_BLOCKS));
  let [ahead, memory] = [0, 0];
  for (let head = 0; head < chain.head.number; ) {
    head = (await headOf(db, chain.chainId))?.number ?? 0;
    ahead = Math.max(ahead, newestRequested - head);
    memory = Math.max(memory, await daemon.memory());
    await wait(50);
  }
  for (let block = 0; block < LIVE_BLOCKS; block++) {
    chain.append(...blocks(1));
    await wait(500);
  }
  await settled();
  process.stderr.write(`slow database, head: ${ahead} blocks ahead at most, ${Math.round(memory)} MiB at most\n`);
  expect(ahead).toBeGreaterThan(0);
  expect(ahead).toBeLessThanOrEqual(AHEAD_BLOCKS);
  expect(memory).toBeLessThan(MEMORY_MIB);
});

test('a commit that takes longer than the lock timeout does not fail the next commit', async () => {
  const { chain, db, daemon, settled } = await follow();
  await settled();
  await db.query(`
    create function public.take_long() returns trigger language plpgsql as $$ begin perform pg_sleep(7); return new; end $$;
    create trigger take_long after insert on indexer.block_checkpoints for each row when (new.number = ${chain.head.number + 40})
    execute function public.take_long()`);
  chain.append(...busyBlocks(21)(BACKLOG_BLOCKS));
  await settled();
  expect(daemon.log.filter(({ err }) => String((err as Error | undefined)?.message).includes('lock timeout'))).toEqual(
    [],
  );
});
