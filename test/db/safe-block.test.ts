import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { saveSafeBlock } from '../../indexer/progress/safe-block.ts';
import { hexOf } from '../kit/event-logs.ts';
import { database } from '../kit/scene.ts';

test('the safe block neither waits for a commit that holds the chain nor fails, and is recorded later', async () => {
  const { url, db } = await database();
  const program = openDatabase({ url });
  onTestFinished(() => program.close());
  const hash = hexOf(7, 64);
  await db.query(`insert into indexer.chains (chain_id, head_number, head_hash) values (1, 20, $1)`, [hash]);
  await db.query(
    `insert into indexer.block_checkpoints (chain_id, number, hash, parent_hash, timestamp) values (1, 12, $1, $1, now())`,
    [hash],
  );
  const save = () => saveSafeBlock(program.kysely, 1, { number: 12, hash });
  const saved = async () => (await db.query('select safe_number::int as block from indexer.chains')).rows[0].block;
  const commit = await db.connect();
  onTestFinished(() => commit.release(true));
  await commit.query('begin; select from indexer.chains where chain_id = 1 for no key update');
  await save();
  expect(await saved()).toBeNull();
  await commit.query('rollback');
  await save();
  expect(await saved()).toBe(12);
});
