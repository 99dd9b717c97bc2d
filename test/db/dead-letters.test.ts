import { getAbiItem } from 'viem';
import { expect, test } from 'vitest';
import { erc20V1 } from '../../abis/erc20.v1.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { commitFill } from '../../indexer/ingest/commit-fill.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { repairRange } from '../../indexer/ingest/prove.ts';
import { type Hex, type RawLog, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import { addressOf, encodeEvent, headerOf, logOf } from '../kit/event-logs.ts';
import { TOKEN_ADDRESS, withToken } from '../kit/with-token.ts';

test('receipts that nothing proves let a dead letter become a fact, but do not delete it', async () => {
  await withToken(async (open, db, contract) => {
    const transfer = getAbiItem({ abi: erc20V1, name: 'Transfer' });
    const { topics, data } = encodeEvent(transfer, { from: ZERO_ADDRESS, to: addressOf(1), value: 40n });
    const logWith = (data: Hex) => logOf({ address: TOKEN_ADDRESS, blockNumber: 6, logIndex: 0, topics, data });
    const range = { chainId: 1, from: 5, to: 9, headers: [5, 6, 9].map((number) => headerOf(number)) };
    const contracts = [contract];
    const decoded = (logs: readonly RawLog[]) =>
      encodeBatch(decodeRange({ ...range, logs }, contractIndex(contracts), new Map()), factTables);
    const seen = await readChain(open.kysely, 1);
    const pieces = [{ seen, range, batch: decoded([logWith('0x01')]) }];
    expect(await commitFill(open, { pieces, contracts, former: [] })).toMatchObject({ facts: 1 });

    const repair = (logs: readonly RawLog[]) => {
      const full = { seen, range: { ...range, unprovedBlocks: [6] }, batch: decoded(logs), contracts };
      return repairRange(open, full, { cause: 'test', endpoints: [] });
    };
    await expect(repair([])).rejects.toThrow('lack a log that is stored');
    expect(await repair([logWith(data)])).toEqual({ added: 1, removed: 1 });
    const { rows } = await db.query(`
      select balance, (select count(*)::int from indexer.dead_letters) as letters from token_holders`);
    expect(rows).toEqual([{ balance: '40', letters: 0 }]);
  });
});
