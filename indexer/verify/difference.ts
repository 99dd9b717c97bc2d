import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { BlockRange } from '../kernel/ranges.ts';

/**
 * The two sides of a comparison:
 *
 * - `chain`: the value that follows from the facts up to a block, and the answer of a view function of the contract as of this block
 * - `state`: a stored row, and the row that follows from all facts
 * - `rule`: rows of a contract, and a rule that they must obey
 * - `receipts`: the facts of a block, and its receipts
 */
export type Comparison = 'chain' | 'state' | 'rule' | 'receipts';

/** A value in the database that is not what it should be. */
export type Difference = {
  readonly comparison: Comparison;
  readonly chainId: number;
  readonly kind: ContractKind;
  readonly contract: Hex;
  /** The table of the value. Null if the value is not from a single table. */
  readonly table: string | null;
  /** The column, the view function, or the rule. */
  readonly column: string;
  /** The token, the wallet or another key within the contract. Empty if there is none. */
  readonly key: string;
  /** The value that the database holds, or that follows from its facts. Null if there is none. */
  readonly stored: string | null;
  /** The correct value: the chain's answer, the value that follows from facts, or the value that a rule demands. Null for no value. */
  readonly expected: string | null;
  /** The block as of which the values were compared. Null if they follow from all facts. */
  readonly block: number | null;
  /** The blocks in which a fact is missing or wrong, if they are known. */
  readonly blocks?: BlockRange;
};

/** Receives the findings of a verification as they are found. */
export type Report = {
  difference(difference: Difference): void;
  /** Reports something that was not compared, and why. This is not a difference. */
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
  state: ['the row says', 'the facts say'],
  rule: ['the row says', 'the rule says'],
  receipts: ['the row says', 'the receipts say'],
};
