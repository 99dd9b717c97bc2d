import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { BlockRange } from '../kernel/ranges.ts';

/**
 * What was compared:
 *
 * - `chain`: the fold of facts up to a block, with what a view function of the contract answers there
 * - `state`: a stored row, with what all facts make of it
 * - `rule`: rows, with a rule that they obey
 * - `receipts`: the facts of a block, with its receipts
 */
export type Comparison = 'chain' | 'state' | 'rule' | 'receipts';

/** A value in the database that is not what it should be. */
export type Difference = {
  readonly comparison: Comparison;
  readonly chainId: number;
  readonly kind: ContractKind;
  readonly contract: Hex;
  /** The table of the value. Null if it is no single table. */
  readonly table: string | null;
  /** The column, the view function, or the rule. */
  readonly column: string;
  /** The token, the wallet or another key within the contract. Empty if there is none. */
  readonly key: string;
  /** What the database holds, or what its facts say. Null if it holds nothing. */
  readonly stored: string | null;
  /** What it should be: what the chain answers, what facts make of it, or what the rule demands. Null if there should be nothing. */
  readonly expected: string | null;
  /** The block as of which the values are. Null if they are as of the newest facts. */
  readonly block: number | null;
  /** The blocks in which a fact is missing or wrong, if they are known. */
  readonly blocks?: BlockRange;
};

/** Takes what a verification finds, as it is found. */
export type Report = {
  difference(difference: Difference): void;
  /** Something that was not compared, and why. It is no difference. */
  note(note: string): void;
};

/** Describes a difference in one line. */
export function describeDifference({ kind, contract, table, ...found }: Difference): string {
  const { comparison, column, key, stored, expected, block } = found;
  const place = `${kind} ${contract}${table === null ? '' : ` ${table}`} ${column}${key === '' ? '' : ` ${key}`}`;
  const [ours, theirs] = LABELS[comparison];
  return `${place}: ${ours} ${stored ?? 'nothing'}, ${theirs} ${expected ?? 'nothing'}${block === null ? '' : ` (block ${block})`}`;
}

const LABELS: Readonly<Record<Comparison, readonly [string, string]>> = {
  chain: ['the facts say', 'the chain says'],
  state: ['stored is', 'the facts make'],
  rule: ['stored is', 'the rule demands'],
  receipts: ['stored is', 'the receipts hold'],
};
