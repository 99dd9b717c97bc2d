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

/** Writes a range's facts, in the place of what a former indexer left there, and brings state in line with them. */
export async function applyFacts(
  tx: Transaction,
  copy: Copy,
  range: FactRange,
  facts: FactLists,
  former: readonly FormerContract[],
): Promise<void> {
  const links = former.length === 0 ? [] : await removeFormerFacts(tx, { ...range, contracts: former });
  // A token's first fact is written before the fold that makes the token's row.
  if (facts.nftTransfers.length > 0) await sql`set constraints all deferred`.execute(tx);
  await writeFacts(copy, facts);
  await restoreLinks(tx, range.chainId, links);
  for (const fold of folds) {
    if (facts[fold.reads].length > 0) await fold.apply(tx, range);
  }
}

/** How many facts a batch holds, dead letters included. */
export function factCount(facts: FactLists): number {
  return (
    facts.nftTransfers.length +
    facts.tokenTransfers.length +
    facts.poolEvents.length +
    facts.dividendEvents.length +
    facts.dividendClaims.length +
    facts.contractEvents.length +
    facts.deadLetters.length
  );
}

/** The blocks of a range that a commit remembers: every one above finalized, and the last. */
export function checkpointsOf({ headers, to }: VerifiedRange, finalized: number | undefined): readonly BlockHeader[] {
  return headers.filter(({ number }) => number === to || number > (finalized ?? -1));
}
