import { sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import { runSteps, type Step } from '../db/step.ts';
import type { Transaction } from '../db/transaction.ts';
import type { EncodedBatch } from '../facts/encoded-batch.ts';
import type { FactRange } from '../facts/fold.ts';
import { removeFormerFacts, restoreLinks } from '../facts/former-facts.ts';
import { writeFacts } from '../facts/write.ts';
import type { BlockHeader, Hex } from '../kernel/chain.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { factTables, folds } from '../protocols/protocols.ts';
import type { ReadRange } from './fetch-batch.ts';
import { lockSteps } from './lock-steps.ts';

/** A contract for which a former indexer, which this program replaced, left facts. */
export type FormerContract = { readonly address: Hex; readonly platformId: string };

/** A commit of more facts than this gets a longer statement timeout. One block can have a million tokens of an ERC-2309 batch. */
export const LARGE_COMMIT_FACTS = 100_000;

/** Defers the check of foreign keys to the commit, because a token's first fact is written before a fold inserts the token's row. */
export const DEFER_CONSTRAINTS: Step = { statement: sql`set constraints all deferred` };

/** Facts to write for block ranges, and the contracts (`former`) whose facts of a former indexer are deleted in these ranges. */
export type Replacement = {
  readonly ranges: readonly BlockRange[];
  readonly batch: EncodedBatch;
  readonly former: readonly FormerContract[];
};

/** Writes the facts of a range and updates the state that is derived from them. */
export async function applyFacts(
  tx: Transaction,
  copy: Copy,
  range: FactRange,
  batch: EncodedBatch,
  former: readonly FormerContract[],
): Promise<void> {
  await replaceFacts(tx, copy, range.chainId, [{ ranges: [range], batch, former }]);
  await runSteps(tx, foldFacts(range, new Set(factKinds(batch))));
}

/** Writes facts and deletes the facts that a former indexer left in the same blocks. Does not change state. */
export async function replaceFacts(
  tx: Transaction,
  copy: Copy,
  chainId: number,
  replacements: readonly Replacement[],
): Promise<void> {
  const links = [];
  for (const { ranges, former } of replacements) {
    if (former.length === 0) continue;
    for (const { from, to } of ranges)
      links.push(...(await removeFormerFacts(tx, factTables, { chainId, from, to, contracts: former })));
  }
  const batches = replacements.map(({ batch }) => batch);
  if (batches.some(defersConstraints)) await runSteps(tx, [DEFER_CONSTRAINTS]);
  await writeFacts(copy, factTables, batches);
  await restoreLinks(tx, chainId, links);
}

/** Returns whether the batch has facts that are written before the state rows that their foreign keys refer to. */
function defersConstraints({ tables }: EncodedBatch): boolean {
  return tables.some(({ table }) => table.defersConstraints === true);
}

/**
 * Returns the steps that apply the facts of a range to state.
 *
 * @param kinds the kinds of fact in the range, from `factKinds`. Folds that read none of them are skipped.
 */
export function foldFacts(range: FactRange, kinds: ReadonlySet<string>): readonly Step[] {
  const applied = folds.filter(({ reads: { table, tags } }) =>
    tags === undefined ? kinds.has(table.name) : tags.some((tag) => kinds.has(factKind(table.name, tag))),
  );
  const locks = lockSteps(applied, range);
  return applied.flatMap((fold) => [...(locks.get(fold) ?? []), ...fold.apply(range)]);
}

/** Returns the kinds of fact that a batch may hold: each table (`token_transfers`), and each table with a tag (`token_transfers mint`). */
export function factKinds({ tables }: EncodedBatch): readonly string[] {
  return tables.flatMap(({ table: { name }, tags }) => [name, ...[...tags].map((tag) => factKind(name, tag))]);
}

function factKind(table: string, tag: string): string {
  return `${table} ${tag}`;
}

/** Returns the headers of a range that a commit saves as checkpoints: those above the finalized block, and that of the last block. */
export function checkpointsOf({ headers, to }: ReadRange, finalized: number | undefined): readonly BlockHeader[] {
  return headers.filter(({ number }) => number === to || number > (finalized ?? -1));
}
