import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '../../indexer/db/database.ts';
import { transaction } from '../../indexer/db/transaction.ts';
import { commitFill } from '../../indexer/ingest/commit-fill.ts';
import { unwindTo } from '../../indexer/ingest/unwind-to.ts';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { HeadMoved, StaleRange } from '../../indexer/kernel/errors.ts';
import { isChainAwaited } from '../../indexer/progress/locks.ts';
import { addContracts } from '../../indexer/registry/add.ts';
import { prepareContracts } from '../../indexer/registry/prepare.ts';
import { removeContract } from '../../indexer/registry/remove.ts';
import { addressOf } from '../kit/event-logs.ts';
import { settleStages } from '../kit/settle-stages.ts';
import { until } from '../kit/until.ts';
import { type LogBody, logBody } from './events.ts';
import { createScene, type Key } from './scene.ts';
import { createSimDatabase, type SimDatabase } from './sim-database.ts';

const ALICE = addressOf(0xa1);
const FIRST = addressOf(0x1001);
const SECOND = addressOf(0x1002);

let simDatabase: SimDatabase;
let database: Database;

beforeAll(async () => {
  simDatabase = await createSimDatabase();
  database = simDatabase.database;
});

afterAll(() => simDatabase.drop());

test('a fill for one kind at an address does not apply the facts of another kind again', async () => {
  const scene = await createScene(
    database,
    [
      ['master', FIRST],
      ['dividend', FIRST],
      ['master', SECOND],
    ],
    [[], [mint(FIRST, 1n), mint(SECOND, 1n)], []],
  );
  await scene.start(2);
  await scene.fill(['master', FIRST]);
  await scene.fill(['dividend', FIRST], ['master', SECOND]);
  await scene.check();
});

test('a follower commits nothing for a contract that a fill has just quarantined', async () => {
  const scene = await createScene(
    database,
    [['master', FIRST]],
    [[], [tooManyTokens(FIRST)], [], [mint(FIRST, 1n)], [mint(FIRST, 2n)]],
  );
  await scene.start(2);
  await scene.follow(1);
  const step = await scene.follower.look(database, 1);
  await scene.fill(['master', FIRST]);
  await expect(scene.follower.act(database, step)).rejects.toThrow(HeadMoved);
  await scene.check();
  await scene.follow(1);
  await scene.check();
});

test('a fill fetched before its contract was purged and added again is applied to the new coverage', async () => {
  const scene = await createScene(database, [['artist_token', FIRST]], [[], [issue(FIRST, 5n)], []]);
  await scene.start(2);
  await scene.fill(['artist_token', FIRST]);
  const late = await scene.fetch(['artist_token', FIRST]);
  await removeContract(database, { chainId: scene.chainId, address: FIRST, purge: true });
  await addContracts(database, [
    { chainId: scene.chainId, address: FIRST, kind: 'artist_token', artistId: undefined, fromBlock: 0 },
  ]);
  await commitFill(database, late);
  await prepareContracts(database, scene.chainId);
  await scene.check();
});

test('a fill fetched before the platform deleted and inserted its contract again writes nothing', async () => {
  const scene = await createScene(database, [['master', FIRST]], [[], [mint(FIRST, 1n)], []]);
  await scene.start(2);
  const late = await scene.fetch(['master', FIRST]);
  const { platformId, masterId } = scene.contract('master', FIRST);
  await database.pool.query('delete from master_contracts where id = $1', [platformId]);
  await database.pool.query(
    'insert into master_contracts (master_id, chain_id, contract_address) values ($1, $2, $3)',
    [masterId, String(scene.chainId), FIRST],
  );
  expect(await commitFill(database, late)).toMatchObject({ facts: 0 });
  await prepareContracts(database, scene.chainId);
  await scene.check();
});

test('a claim is unlinked from a token whose facts are all unwound, even if the platform keeps the row of the token', async () => {
  const scene = await createScene(
    database,
    [
      ['master', FIRST],
      ['dividend', SECOND],
    ],
    [[], [claim(SECOND, 1n)], [mint(FIRST, 1n)]],
  );
  await scene.start(2);
  await scene.fill(['master', FIRST], ['dividend', SECOND]);
  await settleStages(database, [scene.chainId]);
  await scene.check();
  await scene.platform.listToken(scene.contract('master', FIRST), 1n);
  await unwindTo(database, { chainId: scene.chainId, to: scene.node.header(1), reason: 'command' });
  await settleStages(database, [scene.chainId]);
  await scene.check();
});

test('a fill that is overtaken while it takes more pieces retries its first piece and returns how far it came', async () => {
  const token: Key = ['artist_token', FIRST];
  const scene = await createScene(database, [token], [[], [], [issue(FIRST, 5n)], [issue(FIRST, 7n)]]);
  await scene.start(3);
  const [first, second] = [await scene.fetch(token, 1), await scene.fetch(token, 3, 2)];
  // The first call returns a piece, the second none, and the third, which comes too late, a piece again.
  const answers = [second.pieces, [], second.pieces];
  const following = async () => {
    // The blocks are empty, so only coverage shows that they are filled already.
    if (answers.length === 3) await commitFill(database, first);
    return answers.shift() ?? [];
  };
  expect(await commitFill(database, { ...first, following, end: 3 })).toMatchObject({ facts: 0, to: 1 });
  await scene.check();
  expect(await commitFill(database, second)).toMatchObject({ facts: 2, to: 3 });
  await scene.check();
});

test('a fill takes no more pieces while an unwind waits for it', async () => {
  const token: Key = ['artist_token', FIRST];
  const scene = await createScene(
    database,
    [token],
    [[], [], [issue(FIRST, 5n)], [issue(FIRST, 7n)], [issue(FIRST, 9n)]],
  );
  const { chainId } = scene;
  await scene.start(4);
  const [first, second, third] = [
    await scene.fetch(token, 2),
    await scene.fetch(token, 3, 3),
    await scene.fetch(token, 4, 4),
  ];
  const answers = [second.pieces, third.pieces];
  let unwinding: Promise<unknown> | undefined;
  const following = async () => {
    unwinding ??= unwindTo(database, { chainId, to: scene.node.header(3), reason: 'command' });
    await until('the unwind to wait', () => transaction(database, (tx) => isChainAwaited(tx, chainId)));
    return answers.shift() ?? [];
  };
  expect(await commitFill(database, { ...first, following, end: 4 })).toMatchObject({ to: 3 });
  await unwinding;
  await scene.check();
});

test('a fill of pieces from two branches is refused', async () => {
  const token: Key = ['artist_token', FIRST];
  const blocks = [[], [], [issue(FIRST, 5n)], [], []];
  const scene = await createScene(database, [token], blocks, { from: 1, blocks: [[], [issue(FIRST, 7n)], [], []] });
  await scene.start(4);
  const first = await scene.fetch(token, 1);
  scene.node.reorg();
  scene.node.grow(9);
  const { pieces } = await scene.fetch(token, 2, 2);
  const answers = [pieces];
  const taken = commitFill(database, { ...first, following: async () => answers.shift() ?? [], end: 2 });
  await expect(taken).rejects.toThrow(StaleRange);
  const together = commitFill(database, { ...first, pieces: [...first.pieces, ...pieces] });
  await expect(together).rejects.toThrow(StaleRange);
});

test('a fill fetched from a branch that has been lost since is refused, even if no checkpoint remembers its blocks', async () => {
  const token: Key = ['artist_token', FIRST];
  const scene = await createScene(database, [token], [[], [], [issue(FIRST, 5n)], [], []], {
    from: 2,
    blocks: [[], [], [], []],
  });
  await scene.start(0);
  const removal = { chainId: scene.chainId, address: FIRST, purge: false };
  await removeContract(database, removal);
  scene.node.finalized = 100;
  await scene.follow(9);
  // The contract is followed again, but the follower does not know yet.
  await addContracts(database, [{ ...removal, kind: 'artist_token', artistId: undefined, fromBlock: 0 }]);
  const late = await scene.fetch(token, 2);
  scene.node.reorg();
  scene.node.grow(9);
  await scene.follow(9);
  await scene.follow(9);
  await expect(commitFill(database, late)).rejects.toThrow(StaleRange);
  await scene.check();
});

test('a fill fetched from another branch than the head is refused', async () => {
  const token: Key = ['artist_token', FIRST];
  const scene = await createScene(database, [token], [[], [], [issue(FIRST, 5n)], []], {
    from: 2,
    blocks: [[], [issue(FIRST, 7n)]],
  });
  await scene.start(0);
  const removal = { chainId: scene.chainId, address: FIRST, purge: false };
  await removeContract(database, removal);
  await scene.follow(9);
  await addContracts(database, [{ ...removal, kind: 'artist_token', artistId: undefined, fromBlock: 0 }]);
  scene.node.reorg();
  scene.node.grow(9);
  await expect(scene.fill(token)).rejects.toThrow(StaleRange);
  await scene.check();
});

function mint(master: Hex, tokenId: bigint): LogBody {
  return logBody(master, 'Transfer721', { from: ZERO_ADDRESS, to: ALICE, tokenId });
}

function tooManyTokens(master: Hex): LogBody {
  const batch = { fromTokenId: 1n, toTokenId: 1_000_001n, fromAddress: ZERO_ADDRESS, toAddress: ALICE };
  return logBody(master, 'ConsecutiveTransfer', batch);
}

function issue(token: Hex, value: bigint): LogBody {
  return logBody(token, 'Transfer20', { from: ZERO_ADDRESS, to: ALICE, value });
}

function claim(dividend: Hex, tokenId: bigint): LogBody {
  return logBody(dividend, 'DividendClaimed', { holder: ALICE, tokenId, amount: 5n });
}
