import { expect, test } from 'vitest';
import type { RpcErrorKind } from '../../indexer/kernel/errors.ts';
import type { Fault } from '../kit/chain-server.ts';
import { PROVIDER_REFUSALS } from '../kit/provider-words.ts';
import { until } from '../kit/until.ts';
import { expectWideRequestsAtEnd, filledBlocks, longChain, scene } from './scene.ts';

/** Refusals of a node do not depend on the queue, so PostgreSQL suffices here. */
const IN_POSTGRES = { url: undefined, redis: undefined };
/** Limit of a response in bytes. The logs of some single blocks exceed it. */
const BLOCK_BYTES = 2_500;
/** Limit of a response in bytes. The logs of a piece exceed it. */
const PIECE_BYTES = 40_000;
const WIDE_BLOCKS = 500;

function refusals(wanted: RpcErrorKind): Fault[] {
  return PROVIDER_REFUSALS.filter(({ kind }) => kind === wanted).map(({ code = 0, status, message }) => ({
    methods: ['eth_getLogs'],
    times: 1,
    do: status === undefined ? { kind: 'error', code, message } : { kind: 'http', status, body: message },
  }));
}

test('refusals that do not concern size pause the backfill without losing blocks, and known ones do not narrow ranges', async () => {
  const { run, server, db, settled } = await scene(IN_POSTGRES, longChain(20_000));
  const backfill = run('backfill', '--from-block', '0', '--concurrency', '1');
  const refuseOnce = async (kind: RpcErrorKind) => {
    for (const refusal of refusals(kind)) {
      const before = server.count('eth_getLogs');
      server.misbehave(refusal);
      await until(`${JSON.stringify(refusal.do)} to be returned`, () => server.faults === 0);
      if (kind !== 'unknown-block') await until('another request', () => server.count('eth_getLogs') > before + 1);
    }
  };
  await until('some history', async () => (await filledBlocks(db)) > 0);
  await refuseOnce('unavailable');
  const narrowed = backfill.logLines('source: range narrowed').length;
  await refuseOnce('rate-limited');
  await refuseOnce('unknown-block');
  expect(backfill.logLines('source: range narrowed').length).toBe(narrowed);
  expect(await backfill.exited).toBe(0);
  await settled();
  expect((await db.query('select from indexer.dead_letters')).rows).toEqual([]);
});

const TOO_LARGE = { kind: 'http', status: 413, overBytes: BLOCK_BYTES } as const;
const CUT = { kind: 'truncate', overBytes: BLOCK_BYTES } as const;

test.each([
  { how: 'HTTP 413', fault: TOO_LARGE, serves: 'eth_getBlockReceipts' },
  { how: 'HTTP 413', fault: TOO_LARGE, serves: 'eth_getTransactionReceipt' },
  { how: 'truncated answers', fault: CUT, serves: 'eth_getBlockReceipts' },
])(
  'with $how even for single blocks, ranges narrow, $serves serves those blocks, and ranges widen again',
  async ({ fault, serves }) => {
    const { run, server, db, settled } = await scene(IN_POSTGRES, longChain(12_000));
    server.view.noBlockReceipts = serves !== 'eth_getBlockReceipts';
    const heal = server.misbehave({ methods: ['eth_getLogs'], do: fault });
    const backfill = run('backfill', '--from-block', '0');
    await until('some history', async () => (await filledBlocks(db)) > 200);
    expect(server.count(serves)).toBeGreaterThan(0);
    heal();
    await expectWideRequestsAtEnd(backfill, server, WIDE_BLOCKS);
    await settled();
  },
);

test('with large answers truncated, ranges narrow until answers are complete, and widen again', async () => {
  const { run, server, db, settled } = await scene(IN_POSTGRES, longChain(20_000));
  const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'truncate', overBytes: PIECE_BYTES } });
  const backfill = run('backfill', '--from-block', '0');
  await until('some history', async () => (await filledBlocks(db)) > 1_000);
  expect(backfill.logLines('source: range narrowed').length).toBeGreaterThan(0);
  heal();
  await expectWideRequestsAtEnd(backfill, server, WIDE_BLOCKS);
  await settled();
});
