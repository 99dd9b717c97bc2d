import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { follow } from '../../kit/scene.ts';
import { atHead } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const BREAK_LINKS = `
  create function refuse_links() returns trigger language plpgsql as $$ begin raise 'no links today'; end $$;
  create trigger refuse_links before update of master_nft_id on dividend_claims for each statement execute function refuse_links()`;

test('a failing stage does not stop the head, shows its reason in status and /ready, and recovers', async () => {
  const { chain, db, daemon, run, settled } = await follow();
  await settled();
  await until('the stage to have begun', async () => {
    const { rows } = await db.query('select from indexer.stages where as_of_number is not null');
    return rows.length > 0;
  });
  await db.query(BREAK_LINKS);
  const stopped = async () => {
    const { rows } = await db.query('select as_of_number from indexer.stages where failed_reason is not null');
    return rows[0]?.as_of_number as string | undefined;
  };
  const blocks = busyBlocks(31);
  const asOf = await until('the stage to stop', async () => {
    chain.append(...blocks(1));
    return stopped();
  });
  chain.append(...blocks(3));
  await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
  const reason = `stopped at ${asOf}: no links today`;
  await until('/ready to show the reason', async () => {
    const { status, chains } = await daemon.ready();
    return status === 503 && chains[chain.chainId] === `stage claim-links ${reason}`;
  });
  const status = run('status');
  await status.exited;
  expect(status.stdout).toContain(`  stage claim-links  ${reason}`);
  await db.query('drop trigger refuse_links on dividend_claims');
  await until('the stage to advance again', async () => (await stopped()) === undefined);
  await settled();
  expect((await daemon.ready()).status).toBe(200);
});
