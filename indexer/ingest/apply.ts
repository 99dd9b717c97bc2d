import { sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import type { Transaction } from '../db/transaction.ts';
import type { FactLists } from '../decode/decoded-batch.ts';
import type { FactRange } from '../derive/fold.ts';
import { folds } from '../derive/folds.ts';
import { removeFormerFacts, restoreLinks } from '../facts/former-facts.ts';
import { writeFacts } from '../facts/write.ts';
import type { BlockHeader, Hex, VerifiedRange } from '../kernel/chain.ts';

/** A contract of which a former indexer left facts. */
export type FormerContract = { readonly address: Hex; readonly platformId: string };

/** Writes a range's facts and brings state in line with them. */
export async function applyFacts(
  tx: Transaction,
  copy: Copy,
  range: FactRange,
  facts: FactLists,
  former: readonly FormerContract[],
): Promise<void> {
  await replaceFacts(tx, copy, [range], facts, former);
  await foldFacts(tx, range, new Set(factListsOf(facts)));
}

/** Writes the facts of some stretches, in the place of what a former indexer left there. State is not touched. */
export async function replaceFacts(
  tx: Transaction,
  copy: Copy,
  stretches: readonly FactRange[],
  facts: FactLists,
  former: readonly FormerContract[],
): Promise<void> {
  const links = [];
  if (former.length > 0) {
    for (const stretch of stretches) links.push(...(await removeFormerFacts(tx, { ...stretch, contracts: former })));
  }
  // A token's first fact is written before the fold that makes the token's row.
  if (facts.nftTransfers.length > 0) await sql`set constraints all deferred`.execute(tx);
  await writeFacts(copy, facts);
  for (const { chainId } of stretches.slice(0, 1)) await restoreLinks(tx, chainId, links);
}

/** Brings state in line with the facts of a range, which holds those of the given kinds. */
export async function foldFacts(tx: Transaction, range: FactRange, lists: ReadonlySet<keyof FactLists>): Promise<void> {
  for (const fold of folds) {
    if (lists.has(fold.reads)) await fold.apply(tx, range);
  }
}

/** The lists of a batch that hold any fact. */
export function factListsOf(facts: FactLists): readonly (keyof FactLists)[] {
  return FACT_LISTS.filter((list) => facts[list].length > 0);
}

const FACT_LISTS = [
  'nftTransfers',
  'tokenTransfers',
  'poolEvents',
  'dividendEvents',
  'dividendClaims',
  'contractEvents',
  'deadLetters',
] as const satisfies readonly (keyof FactLists)[];

/** How many facts a batch holds, dead letters included. */
export function factCount(facts: FactLists): number {
  return FACT_LISTS.reduce((count, list) => count + facts[list].length, 0);
}

/** The blocks of a range that a commit remembers: every one above finalized, and the last. */
export function checkpointsOf({ headers, to }: VerifiedRange, finalized: number | undefined): readonly BlockHeader[] {
  return headers.filter(({ number }) => number === to || number > (finalized ?? -1));
}
