import { sql } from 'kysely';
import type pg from 'pg';
import { parseAbi } from 'viem';
import { expect, test } from 'vitest';
import type { Database } from '../../indexer/db/database.ts';
import { runSteps } from '../../indexer/db/step.ts';
import { transaction } from '../../indexer/db/transaction.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { followedContracts } from '../../indexer/follower/followed-contracts.ts';
import { commitFill } from '../../indexer/ingest/commit-fill.ts';
import { commitHead } from '../../indexer/ingest/commit-head.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { HeadMoved } from '../../indexer/kernel/errors.ts';
import { parseMultirange, subtract, toMultirange, union } from '../../indexer/kernel/ranges.ts';
import { moveHead, readChain } from '../../indexer/progress/chains.ts';
import {
  type Coverage,
  completeTo,
  coverageGaps,
  coveredBlocks,
  coveredRanges,
  missingBlocks,
} from '../../indexer/progress/contract-coverage.ts';
import { claimCoverage, goLive, suspendAll } from '../../indexer/progress/contract-state.ts';
import { addProved } from '../../indexer/progress/proof.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import { loadContracts, type RegisteredContract } from '../../indexer/registry/contracts.ts';
import { upgradeContract } from '../../indexer/registry/upgrade.ts';
import { addressOf, encodeEvent, headerOf, logOf } from '../kit/event-logs.ts';
import { seededRandom } from '../kit/random.ts';
import { withOpenDatabase } from '../kit/with-database.ts';
import { TOKEN_ADDRESS as A, withToken } from '../kit/with-token.ts';

const [transfer] = parseAbi(['event Transfer(address indexed from, address indexed to, uint256 value)']);
const ALICE = addressOf(0x1);
const RANDOM_CASES = 200;
const BLOCKS = 40;

/** Returns a block in which the token mints, decoded for `contracts`. */
function mintAt(contracts: readonly RegisteredContract[], number: number, value: bigint) {
  const body = encodeEvent(transfer, { from: ZERO_ADDRESS, to: ALICE, value });
  const range = {
    ...{ chainId: 1, from: number, to: number, headers: [headerOf(number)] },
    logs: [logOf({ address: A, blockNumber: number, ...body })],
  };
  return { range, batch: encodeBatch(decodeRange(range, contractIndex(contracts), new Map()), factTables) };
}

async function follow(open: Database, number: number): Promise<void> {
  const { contracts, joining } = await followedContracts(open, 1, { leads: true });
  const seen = await readChain(open.kysely, 1);
  await commitHead(open, { seen, ...mintAt(contracts, number, 7n), finalized: 0, joining });
}

const state = async (db: pg.Pool) =>
  (await db.query('select covered, live_from, fingerprint, coverage_note, status from indexer.contracts')).rows[0];

test('SQL and TypeScript agree on covered and missing blocks in random cases', async () => {
  await withOpenDatabase(async ({ kysely }) => {
    const random = seededRandom(1);
    for (let done = 0; done < RANDOM_CASES; done += 1) {
      const covered = union(
        Array.from({ length: random.below(5) }, () => {
          const from = random.below(BLOCKS);
          return { from, to: from + random.below(6) };
        }),
      );
      const liveFrom = random.below(3) === 0 ? null : random.below(BLOCKS);
      const deployedAtBlock = random.below(4) === 0 ? null : random.below(BLOCKS);
      const head = random.below(BLOCKS);
      const coverage: Coverage = { covered, liveFrom, deployedAtBlock };
      const { rows } = await sql<{ all: string; to_head: string; missing: string }>`
        select ${coveredBlocks()}::text as all, ${coveredBlocks(head)}::text as to_head, ${missingBlocks(head)}::text as missing
        from (select ${toMultirange(covered)}::int8multirange as covered, ${liveFrom}::bigint as live_from,
          ${deployedAtBlock}::bigint as deployed_at_block) contract
      `.execute(kysely);
      const [row] = rows;
      const read = (text: string | undefined) => union(parseMultirange(text ?? '{}'));
      expect(read(row?.all)).toEqual(union(coveredRanges(coverage)));
      expect(read(row?.to_head)).toEqual(union(coveredRanges(coverage, head)));
      const first = deployedAtBlock ?? 0;
      const wanted = first > head ? [] : [{ from: first, to: head }];
      const missing = subtract(wanted, coveredRanges(coverage));
      expect(read(row?.missing)).toEqual(missing);
      const complete = completeTo(coverage, head);
      const [gap] = subtract([{ from: first, to: Number.MAX_SAFE_INTEGER }], coveredRanges(coverage, head));
      expect(complete).toBe(gap?.from === first ? null : (gap?.from ?? 0) - 1);
    }
  });
});

test('logs requested with another fingerprint claim no coverage and are not committed', async () => {
  await withToken(async (open, db, contract) => {
    const other = { ...contract, fingerprint: 'erc20/1.0@0 Other:00000000' };
    const claim = (asked: RegisteredContract, block: number) =>
      transaction(open, (tx) => claimCoverage(tx, 1, { contracts: [asked], blocks: [{ from: block, to: block }] }));
    expect(await claim(contract, 5)).toBe(true);
    expect(await state(db)).toMatchObject({ covered: '{[5,6)}', fingerprint: contract.fingerprint });
    expect(await claim(other, 6)).toBe(false);
    expect(await transaction(open, (tx) => goLive(tx, 1, [other], 11))).toBe(false);
    const seen = await readChain(open.kysely, 1);
    const fill = { pieces: [{ seen, ...mintAt([contract], 7, 1n) }], contracts: [other] };
    expect(await commitFill(open, fill)).toMatchObject({ facts: 0, to: 7 });
    const head = { seen, ...mintAt([contract], 11, 1n), finalized: 0, joining: [other] };
    await expect(commitHead(open, head)).rejects.toThrow(HeadMoved);
    expect(await state(db)).toMatchObject({ covered: '{[5,6)}', live_from: null, fingerprint: contract.fingerprint });
  });
});

test('a contract whose history was read with fewer events is read again, with a note until it is complete', async () => {
  await withToken(async (open, db, contract) => {
    const seen = await readChain(open.kysely, 1);
    await commitFill(open, { pieces: [{ seen, ...mintAt([contract], 5, 70n) }], contracts: [contract] });
    await follow(open, 11);
    // From now on, the history counts as read without transfers.
    await db.query(`update indexer.contracts set fingerprint = replace(fingerprint, ' Transfer:ddf252ad', '')`);
    const late = { seen: await readChain(open.kysely, 1), ...mintAt([contract], 6, 1n) };

    const { contracts, joining, liveVersion } = await followedContracts(open, 1);
    expect(joining).toHaveLength(1);
    expect(liveVersion).toBeGreaterThan(late.seen.liveVersion);
    const note = 'its history is read again: events added: Transfer';
    expect(await state(db)).toMatchObject({ covered: '{}', live_from: null, coverage_note: note });
    expect((await db.query('select from token_transfers')).rowCount).toBe(0);
    expect((await db.query('select total_supply from artist_tokens')).rows).toEqual([{ total_supply: '0' }]);
    expect(await coverageGaps(open.kysely, 1, 11)).toEqual([
      { address: A, kind: 'artist_token', gaps: [{ from: 5, to: 11 }], note },
    ]);

    await follow(open, 12);
    for (let block = 5; block <= 11; block += 1) {
      expect((await state(db)).coverage_note).toBe(note);
      const piece = { seen: await readChain(open.kysely, 1), ...mintAt(contracts, block, 1n) };
      await commitFill(open, { pieces: [piece], contracts });
    }
    expect(await state(db)).toMatchObject({ coverage_note: null, fingerprint: contract.fingerprint });
    expect((await followedContracts(open, 1)).contracts[0]?.coverageNote).toBeNull();
    expect((await db.query('select total_supply from artist_tokens')).rows).toEqual([{ total_supply: '14' }]);
  });
});

test('a program older than the one that read a contract keeps its coverage, and adds none where it leads', async () => {
  await withToken(async (open, db, contract) => {
    await follow(open, 11);
    const newer = `${contract.fingerprint} Later:12345678`;
    await db.query('update indexer.contracts set fingerprint = $1', [newer]);
    const worker = await followedContracts(open, 1);
    expect(worker.contracts).toEqual([]);
    expect(worker.refused).toMatchObject([{ contract: { address: A }, because: expect.stringContaining('Later') }]);
    expect(await state(db)).toMatchObject({ live_from: '11', coverage_note: null, status: 'active' });

    const leader = await followedContracts(open, 1, { leads: true });
    expect(leader.contracts).toEqual([]);
    expect(await state(db)).toMatchObject({
      covered: '{[11,12)}',
      live_from: null,
      fingerprint: newer,
      status: 'active',
    });
    expect((await state(db)).coverage_note).toContain('does not read it: a newer program');
    await follow(open, 12);
    expect(await state(db)).toMatchObject({ covered: '{[11,12)}', live_from: null });
    expect((await db.query('select from token_transfers')).rowCount).toBe(1);

    // The newer program leads the chain again.
    await db.query('update indexer.contracts set fingerprint = $1', [contract.fingerprint]);
    await follow(open, 13);
    expect(await state(db)).toMatchObject({ covered: '{[11,12)}', live_from: '13' });
  });
});

test('several processes that find a contract outdated reset it once', async () => {
  await withToken(async (open, db) => {
    await follow(open, 11);
    await db.query(`update indexer.contracts set fingerprint = 'erc20/1.0@0'`);
    const version = async () => (await loadContracts(open.kysely, 1)).liveVersion;
    const before = await version();
    await Promise.all([1, 2, 3].map(() => followedContracts(open, 1)));
    expect(await version()).toBe(before + 1);
  });
});

test('an upgrade must be of a registered contract and a known version', async () => {
  await withToken(async (open, db) => {
    const upgrade = { chainId: 1, address: A, abiVersion: '1.0', fromBlock: 7 };
    await expect(upgradeContract(open, { ...upgrade, address: ALICE as Hex })).rejects.toThrow(/is not registered/);
    await expect(upgradeContract(open, { ...upgrade, abiVersion: '2.0' })).rejects.toThrow(
      'unknown ABI version 2.0 (known for artist_token: 1.0)',
    );
    // The contract has this version already.
    expect((await upgradeContract(open, upgrade)).upgrades).toEqual([]);
    expect((await db.query('select upgrades from indexer.contracts')).rows).toEqual([{ upgrades: [] }]);
  });
});

test('blocks of a contract that was announced again since its coverage was read do not count as proved', async () => {
  await withToken(async (open, db, contract) => {
    const slice = { contracts: [contract], blocks: [{ from: 5, to: 7 }] };
    const prove = () => transaction(open, (tx) => addProved(tx, 1, { from: 5, to: 7 }, [slice]));
    const proved = async () => (await db.query('select proved from indexer.contracts')).rows[0].proved;
    await transaction(open, (tx) => claimCoverage(tx, 1, { contracts: [contract], blocks: [{ from: 5, to: 6 }] }));
    await prove();
    expect(await proved()).toBe('{[5,7)}');
    await db.query(`update indexer.contracts set covered = '{}', live_from = null, prepared_at = null`);
    await prove();
    expect(await proved()).toBe('{}');
  });
});

test('a commit adds no range to a hundred verified ones, but extends the last of them', async () => {
  await withToken(async (open, db) => {
    await db.query(`
      update indexer.chains set verified = (select range_agg(int8range(n * 2, n * 2 + 1)) from generate_series(1, 100) as n)`);
    const commit = async (number: number) => {
      const expected = await readChain(open.kysely, 1);
      const move = { chainId: 1, expected, to: headerOf(number), finalized: undefined, addsContracts: false };
      await transaction(open, (tx) => runSteps(tx, [moveHead({ ...move, verified: { from: number, to: number } })]));
      const { rows } = await db.query('select upper(verified)::int as end, verified from indexer.chains');
      return rows[0].end;
    };
    expect(await commit(203)).toBe(201);
    expect(await commit(201)).toBe(202);
    await db.query(`update indexer.chains set verified = '{[2,4),[6,7)}'`);
    expect(await commit(300)).toBe(301);
  });
});

test('verified blocks of the chain are forgotten when the follower leaves out a block of all contracts, which keep them as proved', async () => {
  await withToken(async (open, db) => {
    await db.query(`update indexer.chains set verified = '{[5,7),[8,11)}'`);
    await db.query(`update indexer.contracts set live_from = 6`);
    await transaction(open, (tx) => suspendAll(tx, 1, { head: 10, note: 'block 11 could not be read' }));
    const { rows } = await db.query(
      'select verified, proved, covered from indexer.chains join indexer.contracts using (chain_id)',
    );
    expect(rows).toEqual([{ verified: '{}', proved: '{[6,7),[8,11)}', covered: '{[6,11)}' }]);
  });
});
