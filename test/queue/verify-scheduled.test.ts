import { expect, test } from 'vitest';
import { consistentChain } from '../kit/answers.ts';
import { hexOf } from '../kit/event-logs.ts';
import { announce, TOKEN } from '../kit/music.ts';
import { follow } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

const BLOCKS = 60;
const FINALIZED = 50;

test('a daemon verifies a sample once history is complete and again when it is due, and status shows the result', async () => {
  const chain = consistentChain(BLOCKS, FINALIZED);
  const settings = { proof: { level: 'off', callsPerSecond: 1_000 }, verifyIntervalHours: 24 } as const;
  const scene = await follow({ chain, announce: false, settings });
  const { db, daemon } = scene;
  await announce(db, scene.artist, { kind: 'artist_token', chainId: chain.chainId, address: TOKEN, block: 1 });
  await until('the history to be filled', async () => {
    const { rows } = await db.query('select from indexer.contracts where covered @> int8range(1, live_from)');
    return rows.length === 1;
  });
  await db.query(`update indexer.verifications set started_at = '-infinity', finished_at = null`);
  const ended = (differences: number) =>
    until(`a verification with ${differences} differences`, async () => {
      const { rows } = await db.query('select * from indexer.verifications where finished_at is not null');
      if (rows.length === 0 || Number(rows[0].differences) !== differences) return undefined;
      return rows[0];
    });
  const first = await ended(0);
  expect(first).toMatchObject({ block: String(FINALIZED), examples: [], failed_reason: null });
  expect(Number(first.answers)).toBeGreaterThan(8);
  expect(Number(first.blocks)).toBeGreaterThan(10);

  const { rows } = await db.query(
    'select wallet_address as wallet, first_acquired_tx_hash as hash from token_holders limit 1',
  );
  const [{ wallet, hash }] = rows;
  const wrong = hexOf(7, 64);
  await db.query('update token_holders set first_acquired_tx_hash = $1 where wallet_address = $2', [wrong, wallet]);
  await db.query(`update indexer.verifications set started_at = '-infinity'`);
  await ended(1);
  const differenceOf = (wallet: string) =>
    `artist_token ${TOKEN} token_holders first_acquired_tx_hash ${wallet}: the row says ${wrong}, the facts say ${hash}`;
  const difference = differenceOf(wallet);
  // The log shortens the wallets of people.
  const logged = differenceOf(`${wallet.slice(0, 6)}…${wallet.slice(-4)}`);
  await until('the log line of the verification', () => daemon.logLines('verification found differences', logged)[0]);
  expect(daemon.stderr).not.toContain(wallet);
  await until('the metric of the verification', async () =>
    (await daemon.metrics()).includes(`indexer_verify_differences{chain="${chain.chainId}"} 1`),
  );
  const status = scene.run('status');
  expect(await status.exited).toBe(0);
  expect(status.stdout).toContain(`differs      ${difference}`);
  const shown = scene.run('status', '--json');
  await shown.exited;
  expect(JSON.parse(shown.stdout).chains[0].verification).toMatchObject({ differences: 1, examples: [difference] });
});
