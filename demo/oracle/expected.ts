import type { Hex } from '../../indexer/kernel/chain.ts';
import { expectedDividends } from './dividends.ts';
import { expectedMaster } from './masters.ts';
import { expectedPool } from './pools.ts';
import { expectedToken } from './tokens.ts';
import type { Part, Rows, Subjects, View } from './view.ts';

/** What the tables should hold of the compared contracts, by table and by what identifies a row. */
export type Expected = {
  readonly tables: ReadonlyMap<string, Rows>;
  /** Where the chain's own reads (`ownerOf`, `balanceOf` and the like) contradict its logs. */
  readonly contradictions: readonly string[];
};

/** Computes, from nothing but the chain, what the database should hold at the view's block. */
export async function expectedOf(view: View, subjects: Subjects): Promise<Expected> {
  const parts: Part[] = [];
  const each = async (addresses: readonly Hex[], read: (view: View, address: Hex) => Promise<Part>): Promise<void> => {
    for (const address of addresses) parts.push(await read(view, address));
  };
  await each(subjects.masters, expectedMaster);
  await each(subjects.dividends, expectedDividends);
  await each(subjects.artistTokens, expectedToken);
  await each(subjects.pools, expectedPool);
  const tables = new Map<string, Rows>([['dead_letters', new Map()]]);
  for (const part of parts) {
    for (const [table, rows] of Object.entries(part.tables)) {
      const all = tables.get(table) ?? new Map();
      for (const [key, row] of rows) all.set(key, row);
      tables.set(table, all);
    }
    for (const log of part.undecodable) {
      const row = { contract: log.address, tx_hash: log.transactionHash, block_hash: log.blockHash, data: log.data };
      tables.get('dead_letters')?.set(`${log.block}:${log.logIndex}`, row);
    }
  }
  return { tables, contradictions: parts.flatMap(({ contradictions }) => contradictions) };
}
