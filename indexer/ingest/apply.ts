import { sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import type { Transaction } from '../db/transaction.ts';
import type { FactLists } from '../decode/decoded-batch.ts';
import type { FactRange } from '../derive/fold.ts';
import { folds } from '../derive/folds.ts';
import type { EncodedBatch } from '../facts/encoded-batch.ts';
import { removeFormerFacts, restoreLinks } from '../facts/former-facts.ts';
import { writeFacts } from '../facts/write.ts';
import type { BlockHeader, Hex } from '../kernel/chain.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import type { ReadRange } from './fetch-batch.ts';

/** A contract of which a former indexer left facts. */
export type FormerContract = { readonly address: Hex; readonly platformId: string };

/** The facts of some stretches, and the contracts whose former facts give way to them. */
export type Replacement = {
  readonly stretches: readonly BlockRange[];
  readonly batch: EncodedBatch;
  readonly former: readonly FormerContract[];
};

/** Writes a range's facts and brings state in line with them. */
export async function applyFacts(
  tx: Transaction,
  copy: Copy,
  range: FactRange,
  batch: EncodedBatch,
  former: readonly FormerContract[],
): Promise<void> {
  await replaceFacts(tx, copy, range.chainId, [{ stretches: [range], batch, former }]);
  await foldFacts(tx, range, new Set(factListsOf(batch)));
}

/** Writes facts in the place of what a former indexer left there. State is not touched. */
export async function replaceFacts(
  tx: Transaction,
  copy: Copy,
  chainId: number,
  replacements: readonly Replacement[],
): Promise<void> {
  const links = [];
  for (const { stretches, former } of replacements) {
    if (former.length === 0) continue;
    for (const { from, to } of stretches)
      links.push(...(await removeFormerFacts(tx, { chainId, from, to, contracts: former })));
  }
  const batches = replacements.map(({ batch }) => batch);
  // A token's first fact is written before the fold that makes the token's row.
  if (batches.some((batch) => factListsOf(batch).includes('nftTransfers')))
    await sql`set constraints all deferred`.execute(tx);
  await writeFacts(copy, batches);
  await restoreLinks(tx, chainId, links);
}

/** Brings state in line with the facts of a range, which holds those of the given kinds. */
export async function foldFacts(tx: Transaction, range: FactRange, lists: ReadonlySet<keyof FactLists>): Promise<void> {
  for (const fold of folds) {
    if (lists.has(fold.reads)) await fold.apply(tx, range);
  }
}

/** The lists of a batch that hold any fact. */
export function factListsOf({ tables }: EncodedBatch): readonly (keyof FactLists)[] {
  return tables.map(({ table }) => table.list);
}

/** The blocks of a range that a commit remembers: every one above finalized, and the last. */
export function checkpointsOf({ headers, to }: ReadRange, finalized: number | undefined): readonly BlockHeader[] {
  return headers.filter(({ number }) => number === to || number > (finalized ?? -1));
}
