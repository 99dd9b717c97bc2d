import { describe, expect, test } from 'vitest';
import type { Database } from '../../indexer/db/database.ts';
import { RpcError, type RpcErrorKind } from '../../indexer/kernel/errors.ts';
import { Prover } from '../../indexer/proof/prover.ts';
import type { RangeRequest } from '../../indexer/source/source.ts';
import type { Queryable } from '../kit/queryable.ts';
import { TOKEN_ADDRESS, withToken } from '../kit/with-token.ts';

const SECOND_ADDRESS = `0x${'2'.repeat(40)}`;

type Trouble = {
  /** Throws the error with which the source answers the request for a range. */
  readonly refuse?: (range: RangeRequest) => void;
  readonly hasHead?: boolean;
  /** Returns the blocks of a range that only one endpoint gave, and whether another one confirmed another block. */
  readonly unconfirmed?: (range: RangeRequest) => {
    readonly ofBlocks: readonly number[];
    readonly otherConfirmed?: boolean;
    readonly comparedInPart?: boolean;
  };
  readonly clock?: { readonly ms: number };
};

/** Returns a prover of the whole chain, and the requests that it makes to its source. The source has no logs. */
function proverOf(database: Database, callsPerSecond = 1, trouble: Trouble = {}) {
  const { refuse, hasHead = true, unconfirmed, clock } = trouble;
  const asked: string[] = [];
  const source = {
    head: async () => {
      if (!hasHead) throw new RpcError('unavailable', 'nobody answers');
    },
    fetchRange: async (range: RangeRequest) => {
      const { from, to, inFull } = range;
      asked.push(`${inFull} ${from} ${to}`);
      refuse?.(range);
      const { ofBlocks = [], ...compared } = unconfirmed?.(range) ?? {};
      const unconfirmedBlocks = ofBlocks.filter((block) => holds(range, block));
      return { chainId: 1, from, to, headers: [], logs: [], unconfirmedBlocks, ...compared };
    },
  };
  const prover = new Prover({
    ...{
      database,
      source: source as never,
      log: { error() {}, warn() {}, info() {}, debug() {} } as never,
      redact: (text) => text,
    },
    ...{ runtime: { now: () => clock?.ms ?? Date.now(), random: Math.random }, callsPerSecond },
    scope: { chainId: 1, from: 0, to: Number.MAX_SAFE_INTEGER, contracts: null },
  });
  return { asked, step: () => prover.step(new AbortController().signal) };
}

const DOUBT = `insert into indexer.doubts (chain_id, address, kind, rule, from_block, to_block, detail)
  values (1, '${TOKEN_ADDRESS}', 'artist_token', 'balance', 5, 70, '')`;

test('a doubt about blocks above the head waits for them', async () => {
  await withToken(async (open, db) => {
    await db.query('update indexer.chains set finalized_number = 100');
    await db.query(DOUBT);
    const { asked, step } = proverOf(open, 100);
    expect(await step()).toBe(true);
    expect(await step()).toBe(false);
    expect(asked).toEqual(['receipts 5 10']);
  });
});

test('while a long doubt is read, other blocks are proved', async () => {
  await withToken(async (open, db) => {
    await db.query('update indexer.chains set finalized_number = 100, head_number = 100');
    await db.query(`update indexer.contracts set covered = '{[5,11),[80,101)}'`);
    await db.query(DOUBT);
    const { asked, step } = proverOf(open);
    for (let steps = 0; steps < 6; steps++) await step();
    expect(asked).toEqual([
      ...['receipts 5 20', 'blooms 80 95', 'receipts 21 36', 'blooms 96 100', 'receipts 37 52', 'receipts 53 68'],
    ]);
  });
});

test('while the blocks of a doubt cannot be read, other blocks are proved', async () => {
  await withToken(async (open, db) => {
    await db.query('update indexer.chains set finalized_number = 100, head_number = 100');
    await db.query(`update indexer.contracts set covered = '{[80,101)}'`);
    await db.query(DOUBT);
    const refuse = ({ inFull }: RangeRequest) => {
      if (inFull === 'receipts') throwAs('rate-limited');
    };
    const { step } = proverOf(open, 100, { refuse });
    for (let steps = 0; steps < 4; steps++) await step().catch(() => undefined);
    expect((await db.query('select proved from indexer.contracts')).rows).toEqual([{ proved: '{[80,101)}' }]);
  });
});

test('a failed proof is forgotten once its blocks are proved, although others are not', async () => {
  await withToken(async (open, db) => {
    await db.query('update indexer.chains set finalized_number = 100, head_number = 100');
    await db.query(`update indexer.contracts set covered = '{[5,101)}'`);
    await db.query(`
      insert into indexer.failed_proofs (chain_id, from_block, to_block, reason, tried_at)
      values (1, 7, 7, '', now() - interval '2 hours'), (1, 60, 60, '', now() - interval '2 hours')`);
    await proverOf(open).step();
    expect((await db.query('select from_block from indexer.failed_proofs')).rows).toEqual([{ from_block: '60' }]);
  });
});

const followed = (db: Queryable) =>
  Promise.all([
    db.query(
      `update indexer.chains set finalized_number = 100, head_number = 120, verified = '{[20,30),[31,60),[61,90)}'`,
    ),
    db.query(`update indexer.contracts set covered = '{[5,20)}', live_from = 20`),
  ]);
const proofOf = async (db: Queryable) => {
  const { rows } = await db.query(
    'select verified, proved from indexer.chains join indexer.contracts using (chain_id) order by proved desc',
  );
  return rows.map(({ verified, proved }) => `${verified} ${proved}`);
};

/** Follows blocks, and returns a function that proves what can be proved after some time, and returns the requests. */
async function proofOverTime(open: Database, db: Queryable, trouble: Trouble) {
  await followed(db);
  const clock = { ms: 0 };
  const { asked, step } = proverOf(open, 1, { ...trouble, clock });
  return async (ms: number) => {
    clock.ms += ms;
    while (await step());
    return asked.splice(0);
  };
}

describe('blocks that the follower did not read in full', () => {
  test('are read without the proved blocks between them, and become one range of the chain', async () => {
    await withToken(async (open, db) => {
      await followed(db);
      const { asked, step } = proverOf(open);
      while (await step());
      expect(asked).toEqual(['blooms 30 30', 'blooms 5 19', 'blooms 60 60', 'blooms 90 100']);
      expect(await proofOf(db)).toEqual(['{[20,101)} {[5,20)}']);
    });
  });

  test('are read again until another endpoint confirms their logs, for ten minutes without any answer', async () => {
    await withToken(async (open, db) => {
      const silent = { ofBlocks: [95, 105] };
      const prove = await proofOverTime(open, db, { unconfirmed: () => silent });
      expect(await prove(0)).toEqual(['blooms 30 30', 'blooms 5 19', 'blooms 60 60', 'blooms 90 100']);
      expect(await prove(4_000)).toEqual([]);
      expect(await prove(1_000)).toEqual(['blooms 90 100']);
      expect(await prove(5_000)).toEqual([]);
      for (let minutes = 1; minutes < 10; minutes++) expect(await prove(60_000)).toEqual(['blooms 90 100']);
      expect(await proofOf(db)).toEqual(['{[20,90)} {[5,20)}']);
      await prove(60_000);
      expect(await proofOf(db)).toEqual(['{[20,101)} {[5,20)}']);

      // It is not known whether another endpoint answered in an hour in which none was asked.
      await db.query('update indexer.chains set finalized_number = 110');
      await prove(3_600_000);
      expect(await proofOf(db)).toEqual(['{[20,101)} {[5,20)}']);
      silent.ofBlocks = [];
      await prove(5_000);
      expect(await proofOf(db)).toEqual(['{[20,111)} {[5,20)}']);
    });
  });

  test.each([{ otherConfirmed: true }, { comparedInPart: true }])(
    'are read fewer at once if another endpoint gives a part of them: %o',
    async (compared) => {
      await withToken(async (open, db) => {
        const prove = await proofOverTime(open, db, {
          unconfirmed: ({ from, to }) => ({ ofBlocks: to - from > 2 ? [to] : [], ...compared }),
        });
        const asked = await prove(0);
        expect(asked).toEqual([
          ...[
            'blooms 30 30',
            'blooms 5 19',
            'blooms 60 60',
            'blooms 90 100',
            'blooms 90 90',
            'blooms 91 92',
            'blooms 93 96',
          ],
          ...['blooms 93 93', 'blooms 94 95', 'blooms 96 99', 'blooms 96 96', 'blooms 97 98', 'blooms 99 100'],
        ]);
        expect(await proofOf(db)).toEqual(['{[20,101)} {[5,20)}']);
      });
    },
  );

  test('wait for ten minutes even if another endpoint answers for a single block, and never confirms it', async () => {
    await withToken(async (open, db) => {
      const prove = await proofOverTime(open, db, { unconfirmed: () => ({ ofBlocks: [95], otherConfirmed: true }) });
      await prove(0);
      expect(await proofOf(db)).toEqual(['{[20,95)} {[5,20)}']);
      for (let minutes = 0; minutes < 9; minutes++) expect(await prove(60_000)).toEqual(['blooms 95 95']);
      expect(await proofOf(db)).toEqual(['{[20,95)} {[5,20)}']);
      for (let minutes = 0; minutes < 2; minutes++) await prove(60_000);
      expect(await proofOf(db)).toEqual(['{[20,101)} {[5,20)}']);
    });
  });

  test('are proved for each contract while blocks of another followed one are not', async () => {
    await withToken(async (open, db) => {
      await followed(db);
      await db.query(`
        insert into indexer.contracts (chain_id, address, kind, platform_id, live_from)
        select chain_id, '${SECOND_ADDRESS}', kind, gen_random_uuid(), 60 from indexer.contracts`);
      const { step } = proverOf(open);
      while (await step());
      expect(await proofOf(db)).toEqual(['{[20,60),[61,90)} {[5,20),[60,61),[90,101)}', '{[20,60),[61,90)} {}']);
    });
  });
});

test('a followed block that cannot be read is set aside while long history is proved', async () => {
  await withToken(async (open, db) => {
    const refuse = (range: RangeRequest) => {
      if (holds(range, 9_095)) throw new TypeError('a log that no decoder takes');
    };
    await db.query(`
      update indexer.chains set finalized_number = 9100, head_number = 9120, verified = '{[9000,9030),[9031,9090)}'`);
    await db.query(`update indexer.contracts set covered = '{[5,9000)}', live_from = 9000`);
    const { step, asked } = proverOf(open, 1, { refuse });
    const isSetAside = async () => (await db.query('select from indexer.failed_proofs')).rowCount === 1;
    for (let steps = 0; steps < 200 && !(await isSetAside()); steps++) await step().catch(() => undefined);
    expect((await db.query('select from_block, to_block from indexer.failed_proofs')).rows).toEqual([
      { from_block: '9095', to_block: '9095' },
    ]);
    expect(asked).toContain('blooms 21 36');
  });
});

/** Runs many steps over blocks 5 to 100 with a source that refuses some. Returns the blocks set aside and the unproved blocks. */
async function proveDespite(trouble: Trouble): Promise<{ failed: string[]; unproved: string }> {
  let result = { failed: [] as string[], unproved: '' };
  await withToken(async (open, db) => {
    await db.query('update indexer.chains set finalized_number = 100, head_number = 100');
    await db.query(`update indexer.contracts set covered = '{[5,101)}'`);
    const { step } = proverOf(open, 100, trouble);
    for (let steps = 0; steps < 100; steps++) await step().catch(() => undefined);
    const failed = await db.query('select from_block, to_block from indexer.failed_proofs order by from_block');
    const left = await db.query(`select '{[5,101)}'::int8multirange - proved as blocks from indexer.contracts`);
    result = { failed: failed.rows.map((row) => `${row.from_block}-${row.to_block}`), unproved: left.rows[0].blocks };
  });
  return result;
}

const holds = (range: RangeRequest, block: number) => range.from <= block && block <= range.to;

describe('blocks that cannot be proved', () => {
  test.each<[string, () => Error]>([
    ['an error that no endpoint gave', () => new TypeError('a log that no decoder takes')],
    ...(['unavailable', 'rejected', 'unknown-block'] as RpcErrorKind[]).map(
      (kind) => [kind, () => new RpcError(kind, kind)] as [string, () => Error],
    ),
  ])('%s: one block is set aside, and all others are proved', async (_, error) => {
    const refuse = (range: RangeRequest) => {
      if (holds(range, 50)) throw error();
    };
    expect(await proveDespite({ refuse })).toEqual({ failed: ['50-50'], unproved: '{[50,51)}' });
  });

  test.each<[string, Trouble]>([
    ['endpoints are out of service', { hasHead: false, refuse: () => throwAs('unavailable') }],
    ['endpoints limit the rate', { refuse: () => throwAs('rate-limited') }],
  ])('are none while %s', async (_, trouble) => {
    expect(await proveDespite(trouble)).toEqual({ failed: [], unproved: '{[5,101)}' });
  });

  test('are the pruned ones alone, and no request is spent on each of them', async () => {
    let requests = 0;
    const refuse = (range: RangeRequest) => {
      requests++;
      if (range.from < 60) throwAs('pruned');
    };
    expect((await proveDespite({ refuse })).unproved).toBe('{[5,60)}');
    expect(requests).toBeLessThan(30);
  });
});

function throwAs(kind: RpcErrorKind): never {
  throw new RpcError(kind, kind);
}
