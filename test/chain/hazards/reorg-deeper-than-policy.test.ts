import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow, serve } from '../../kit/scene.ts';
import { expectSettled, liveChainOf } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

test('a reorg deeper than haltDepth halts its chain until an operator unwinds it, and other chains continue', async () => {
  const other = busyChain(30, 8, 10);
  const otherServer = await serve(other);
  const { chain, db, daemon, run, settled } = await follow({
    chain: busyChain(40),
    otherChains: [otherServer],
    settings: { haltDepth: 10 },
  });
  await settled();
  // No block follows the reorg. It must be detected although the head's height does not change.
  chain.reorg(12, busyBlocks(7)(13));
  const halted = await until('the chain to halt', async () => {
    const { status, chains } = await daemon.ready();
    return chains[chain.chainId]?.startsWith('halted') && { status, reason: chains[chain.chainId] };
  });
  expect(halted.status).toBe(503);
  expect(halted.reason).toContain('a reorg of 12 blocks, to block 28, is deeper than 10');
  expect(halted.reason).toContain('indexer unwind');
  other.append(...busyBlocks(8)(5));
  await expectSettled(db, liveChainOf(other));
  const { rows } = await db.query('select head_number, status from indexer.chains where chain_id = $1', [
    chain.chainId,
  ]);
  expect(rows).toEqual([{ head_number: '40', status: 'halted' }]);
  expect(await run('unwind', '--chain', String(chain.chainId), '--to-block', '28').exited).toBe(0);
  await settled();
  await until('the daemon to be ready', async () => (await daemon.ready()).status === 200);
  const reorgs = await db.query('select from_number, to_number, reason from indexer.reorgs');
  expect(reorgs.rows).toEqual([{ from_number: '40', to_number: '28', reason: 'command' }]);
});
