import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { deferIndexes } from '../../indexer/db/deferred-indexes.ts';
import { LARGE_COMMIT_FACTS } from '../../indexer/ingest/apply.ts';
import { unwindTo } from '../../indexer/ingest/unwind-to.ts';
import { ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { describedTables, loadedTables } from '../../indexer/protocols/protocols.ts';
import { digest } from '../../indexer/verify/digest.ts';
import { encodeEvent, logOf } from '../kit/event-logs.ts';
import { EVENT_ABIS } from '../kit/oracle/events.ts';
import { settleStages } from '../kit/settle-stages.ts';
import { ALICE, BOB, blockOf, CHAIN_ID, MASTER, START, StageScene, transfer } from '../kit/stage-scene.ts';

/** One token more than an ordinary commit holds. One log may name ten times as many, which takes minutes (docs/performance.md). */
const TOKENS = LARGE_COMMIT_FACTS + 1;
/** Shorter than a statement about so many tokens takes. The timeout limits neither a large commit nor an unwind. */
const STATEMENT_TIMEOUT_MS = 1_000;

test('an ERC-2309 batch that takes longer than a statement may becomes a row per token, of which an unwind leaves none', async () => {
  const scene = await StageScene.open();
  onTestFinished(() => scene.drop());
  const { database } = scene;
  const { pool } = database;
  const impatient = openDatabase({ url: scene.url, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
  onTestFinished(() => impatient.close());
  // Indexes are deferred as in an initial load, so that the test is quicker.
  expect(await deferIndexes(database, describedTables, loadedTables)).toBeGreaterThan(0);
  await scene.fill(1, START, []);
  await settleStages(database, [CHAIN_ID]);
  const before = await digest(database);

  const block = START + 1;
  const range = { fromTokenId: 1n, toTokenId: BigInt(TOKENS), fromAddress: ZERO_ADDRESS, toAddress: ALICE };
  const batch = encodeEvent(EVENT_ABIS.ConsecutiveTransfer, range);
  const minted = logOf({ address: MASTER, blockNumber: block, ...batch });
  await scene.follow([minted, transfer(MASTER, 7n, [ALICE, BOB], { block, index: 1 })], impatient);
  await settleStages(database, [CHAIN_ID]);
  const { rows } = await pool.query(
    `select current_owner_wallet as owner, count(*)::int as tokens, min(token_id)::int as first, max(token_id)::int as last
     from master_nfts where original_minter_wallet = $1 group by 1 order by 1`,
    [ALICE],
  );
  expect(rows).toEqual([
    { owner: ALICE, tokens: TOKENS - 1, first: 1, last: TOKENS },
    { owner: BOB, tokens: 1, first: 7, last: 7 },
  ]);
  expect((await scene.state()).holdings).toEqual([`${ALICE}: ${TOKENS - 1}`, `${BOB}: 1`]);
  const supply = await pool.query('select minted_supply::int, current_supply::int from master_contracts');
  expect(supply.rows).toEqual([{ minted_supply: TOKENS, current_supply: TOKENS }]);

  expect(await unwindTo(impatient, { chainId: CHAIN_ID, to: blockOf(START), reason: 'reorg' })).toBe(TOKENS + 1);
  expect(await digest(database)).toEqual(before);
  expect((await pool.query('select from master_nfts union all select from nft_transfers')).rowCount).toBe(0);
});
