import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Hex, type RawLog, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { MASTER } from '../kit/stage-scene.ts';
import { ALICE, BOB, CAROL, event, firstMint, move, moveNft, PAIR, pairCall, SweepScene } from '../kit/sweep-scene.ts';

let scene: SweepScene;

beforeEach(async () => {
  scene = await SweepScene.open();
});

afterEach(() => scene.drop());

/** A clean history of a rule, and the blocks that a contradiction names when one of its logs is withheld. */
type History = {
  readonly rule: string;
  readonly logs: readonly RawLog[];
  /** The contradictions that are found if one log is withheld, by the index of that log. */
  readonly expected: readonly (readonly string[])[];
};

const swap = (block: number, reserves: readonly [bigint, bigint], [in0, in1, out0, out1]: readonly bigint[]) =>
  pairCall(block, [
    ['Sync', { reserve0: reserves[0], reserve1: reserves[1] }],
    [
      'Swap',
      {
        ...{ sender: ALICE, to: BOB, amount0In: in0 ?? 0n, amount1In: in1 ?? 0n },
        ...{ amount0Out: out0 ?? 0n, amount1Out: out1 ?? 0n },
      },
    ],
  ]);

const OWNERS: History = {
  rule: 'owner',
  logs: [
    event(
      MASTER,
      'ConsecutiveTransfer',
      { fromTokenId: 1n, toTokenId: 3n, fromAddress: ZERO_ADDRESS, toAddress: ALICE },
      { block: 2 },
    ),
    moveNft(2n, ALICE, BOB, 4),
    moveNft(2n, BOB, CAROL, 4, 1),
    moveNft(2n, CAROL, ZERO_ADDRESS, 6),
    moveNft(2n, ZERO_ADDRESS, ALICE, 9),
    moveNft(2n, ALICE, BOB, 12),
    moveNft(3n, ALICE, BOB, 14),
  ],
  expected: [
    ['owner 1-4', 'owner 1-14'],
    ['owner 2-4'],
    ['owner 4-6'],
    ['owner 4-9'],
    ['owner 6-12'],
    // The last transfer of a token contradicts nothing.
    [],
    [],
  ],
};

const BALANCES: History = {
  rule: 'balance',
  logs: [
    move(ZERO_ADDRESS, ALICE, 100n, 2),
    move(ALICE, ALICE, 90n, 3),
    move(ALICE, BOB, 60n, 5),
    move(BOB, CAROL, 60n, 5, 1),
    move(CAROL, ALICE, 50n, 9),
    move(ALICE, ZERO_ADDRESS, 80n, 11),
  ],
  expected: [['balance 1-3'], [], ['balance 1-5'], ['balance 1-9'], ['balance 5-11'], []],
};

const RESERVES: History = {
  rule: 'reserves',
  logs: [
    ...firstMint(2),
    ...swap(4, [4_100n, 980n], [100n, 0n, 0n, 20n]),
    // `sync()` adds a donation to the reserves.
    ...pairCall(5, [['Sync', { reserve0: 4_100n, reserve1: 990n }]]),
    ...swap(7, [4_000n, 1_020n], [0n, 30n, 100n, 0n]),
    // Liquidity moves to the pair, and 10 of token 0 are donated before the burn.
    move(ALICE, PAIR, 500n, 9, 0, PAIR),
    ...pairCall(
      9,
      [
        ['Transfer20', { from: PAIR, to: ZERO_ADDRESS, value: 500n }],
        ['Sync', { reserve0: 3_010n, reserve1: 765n }],
        ['Burn', { sender: ALICE, amount0: 1_000n, amount1: 255n, to: ALICE }],
      ],
      1,
    ),
  ],
  expected: [
    // If one of the two LP mints is missing, this rule accepts the other. The receiver's balance and the supply reveal the loss.
    [],
    [],
    ['reserves 2-2', 'reserves 1-4'],
    ['reserves 2-2'],
    ['reserves 4-4', 'reserves 2-5'],
    ['reserves 2-4'],
    ['reserves 4-7'],
    ['reserves 7-7', 'reserves 5-9'],
    ['reserves 5-7'],
    [],
    ['reserves 9-9'],
    ['reserves 9-9'],
    ['reserves 9-9'],
  ],
};

describe.each([OWNERS, BALANCES, RESERVES])('$rule', ({ rule, logs, expected }) => {
  test('a complete history has no contradiction, whatever the size of the windows', async () => {
    await scene.fill(logs);
    await scene.sweep();
    expect(await scene.doubts()).toEqual([]);
    await scene.query('update indexer.sweeps set swept_to = null');
    expect(await scene.sweep(1)).toBeGreaterThan(5);
    expect(await scene.doubts()).toEqual([]);
  });

  test.each(expected.map((places, index) => ({ index, places })))(
    'without the log $index, the blocks in which it is missing are doubted',
    async ({ index, places }) => {
      const missing = logs[index]?.blockNumber ?? 0;
      await scene.fill(logs.toSpliced(index, 1));
      await scene.sweep();
      const found = (await scene.doubts()).filter((line) => line.startsWith(rule));
      expect(new Set(found)).toEqual(new Set(places));
      const blocks = found.map((line) => / (\d+)-(\d+)/.exec(line)?.slice(1).map(Number) as [number, number]);
      if (places.length > 0) expect(blocks.some(([from, to]) => from <= missing && missing <= to)).toBe(true);
      await scene.query('update indexer.sweeps set swept_to = null');
      await scene.sweep(1);
      expect((await scene.doubts()).filter((line) => line.startsWith(rule))).toEqual(found);
    },
  );
});

test('facts are asked only up to the block to which history is complete, and each once', async () => {
  await scene.fill([moveNft(1n, ZERO_ADDRESS, ALICE, 2)], 1, 5);
  await scene.fill([moveNft(1n, BOB, CAROL, 12)], 10, 20);
  await scene.sweep();
  expect(await scene.doubts()).toEqual([]);
  const { rows } = await scene.query(`select distinct swept_to from indexer.sweeps where rule <> 'supply'`);
  expect(rows).toEqual([{ swept_to: '5' }]);
  await scene.fill([moveNft(1n, ALICE, BOB, 8)], 6, 9);
  await scene.sweep();
  expect(await scene.doubts()).toEqual([]);
  expect(await scene.sweep()).toBe(0);
});

const withheld = (address: Hex, blockNumber: number) => (log: RawLog) =>
  log.address !== address || log.blockNumber !== blockNumber;

test('a repaired contract is asked again, and its contradiction goes', async () => {
  await scene.fill(OWNERS.logs.filter(withheld(MASTER, 6)));
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['owner 4-9']);
  await scene.query(`update nft_transfers set block_number = 7, log_index = 0 where block_number = 14`);
  await scene.query(`update nft_transfers set token_id = 2, from_wallet = $1, to_wallet = $2 where block_number = 7`, [
    CAROL,
    ZERO_ADDRESS,
  ]);
  expect(await scene.doubts()).toEqual(['owner 4-9']);
  await scene.read(1);
  expect(await scene.sweep()).toBeGreaterThan(0);
  expect(await scene.doubts()).toEqual([]);
});

test('a repair that does not remove a contradiction leaves it to be read again', async () => {
  await scene.fill(OWNERS.logs.filter(withheld(MASTER, 6)));
  await scene.sweep();
  await scene.read(1);
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['owner 4-9']);
});

test('a contract that receipts confirm contradicts itself by nature, which is recorded once', async () => {
  await scene.fill([moveNft(7n, BOB, CAROL, 3), moveNft(8n, BOB, CAROL, 4), moveNft(9n, BOB, CAROL, 15)], 1, 20);
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['owner 1-3', 'owner 1-4', 'owner 1-15']);
  await scene.query(`update indexer.doubts set status = 'read' where to_block = 4`);
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['owner 1-4 property']);
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['owner 1-4 property']);
});

test('older blocks are doubted before a balance counts as negative by nature', async () => {
  await scene.fill([move(ZERO_ADDRESS, ALICE, 5n, 17), move(ALICE, BOB, 30n, 18), move(BOB, CAROL, 40n, 19)]);
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['balance 17-18', 'balance 18-19']);
  await scene.query(`delete from indexer.doubts where to_block = 19`);
  await scene.read();
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['balance 1-16']);
  await scene.read();
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['balance 1-16 property']);
});
