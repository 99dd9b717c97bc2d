import { expect, test } from 'vitest';
import { Daemon } from '../../kit/daemon.ts';
import { headOf } from '../../kit/oracle/check-database.ts';
import { type Environment, Program } from '../../kit/program.ts';
import { registerPlatform } from '../../kit/register-platform.ts';
import { announcedDatabase, database, deployOnAnvil } from '../../kit/scene.ts';
import { until } from '../../kit/until.ts';

const ROUNDS = 4;
const STEPS = 30;

async function digestOf(env: Environment): Promise<Record<string, { rows: number; digest: string }>> {
  const program = new Program(['digest', '--json'], env);
  expect(await program.exited).toBe(0);
  return JSON.parse(program.stdout).tables;
}

test('a database followed live through kills and reorgs and one filled later have equal digests', async () => {
  const { anvil, platform, traffic, settled } = await deployOnAnvil({ slotsInAnEpoch: 8 });
  const envOf = (url: string) => ({ DATABASE_URL: url, [`RPC_URL_${anvil.chainId}`]: anvil.url });

  // The first database is followed from the start, through kills and reorgs.
  const early = await announcedDatabase(platform);
  const live = envOf(early.url);
  let daemon = await Daemon.start(live);
  for (let round = 1; round <= ROUNDS; round++) {
    await traffic.run(STEPS);
    await until('some blocks', async () => (await headOf(early.db, anvil.chainId)) !== undefined);
    await traffic.reorg(2 * round);
    if (round % 2 === 1) continue;
    await daemon.kill();
    daemon = await Daemon.start(live);
  }
  await settled(early.db);

  // The second database is followed from a later block on, and its contracts are registered later still.
  const late = await database();
  const filled = envOf(late.url);
  await Daemon.start(filled);
  await until(
    'the head',
    async () => (await headOf(late.db, anvil.chainId))?.hash === (await anvil.client.getBlock()).hash,
  );
  await registerPlatform(late.db, platform);
  await traffic.run(STEPS);
  await settled(late.db);
  await settled(early.db);

  // A stage links claims to their tokens after the commits.
  for (const { db } of [early, late]) {
    await until('the links of claims', async () => {
      const { rows } = await db.query(
        'select count(*)::int as unlinked from dividend_claims where master_nft_id is null',
      );
      return rows[0]?.unlinked === 0;
    });
  }
  const [liveDigest, filledDigest] = [await digestOf(live), await digestOf(filled)];
  expect(liveDigest).toEqual(filledDigest);
  for (const table of ['nft_transfers', 'token_transfers', 'pool_events', 'dividend_events', 'token_holders']) {
    expect(liveDigest[table]?.rows, table).toBeGreaterThan(0);
  }
});
