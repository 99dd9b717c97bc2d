import type { RawBuilder } from 'kysely';
import type { RegisteredRow } from '../../facts/fact-table.ts';
import type { Hex } from '../../kernel/chain.ts';

/** A contract, and the block as of which its facts are read. */
export type ContractAt = RegisteredRow & { readonly block: number };

/** What facts say that a view function answers for one key. */
export type Expectation = {
  /** A token id, or the address of a wallet or a token. Empty for a function without an argument. */
  readonly key: string;
  readonly value: string;
};

/** A view function, and how to compare its answers with facts. */
export type Question = {
  /** The signature, for example `ownerOf(uint256)`. */
  readonly name: string;
  /** Whether contracts of the protocol may lack the function. */
  readonly isOptional?: boolean;
  /** Whether facts of other contracts of the chain are read too, so that their history must be complete as well. */
  readonly readsOthers?: boolean;
  /** Returns a query for the expected answers as of a block, one row for each key. Reads facts only. */
  expected(contract: ContractAt): RawBuilder<Expectation>;
  /** Returns the call for a key. */
  call(contract: Hex, key: string): { readonly to: Hex; readonly data: Hex };
  /** Returns an answer in the form of `value`. Undefined if it is malformed. */
  read(answer: Hex): string | undefined;
  /** The value that a revert stands for. Undefined if a revert is no answer. */
  readonly reverted?: string;
  /** Returns whether an answer agrees with what is expected. Default: they are equal. */
  agrees?(expected: string, answer: string): boolean;
};

/** A place where rows break a rule: what is stored, and what it should be. */
export type Violation = {
  readonly key: string;
  readonly stored: string | null;
  readonly expected: string | null;
  /** The blocks in which a fact may be missing. Null if facts are not at fault. */
  readonly from_block: string | null;
  readonly to_block: string | null;
};

/** A rule that the rows of a contract obey whose history is complete. */
export type Invariant = {
  readonly name: string;
  /** The table whose rows break the rule. */
  readonly table: string;
  /** Returns a query for the places where rows break the rule. */
  violations(contract: RegisteredRow): RawBuilder<Violation>;
};

/** How `indexer verify` compares the contracts of a protocol with the chain and with themselves. */
export type Verification = {
  readonly questions: readonly Question[];
  readonly invariants: readonly Invariant[];
  /**
   * Returns a query for what a contract did that it should not have done, one sentence each in the column `anomaly`. The mirror records it as
   * the chain says, so it is reported, and is no difference.
   */
  anomalies?(contract: RegisteredRow): RawBuilder<{ readonly anomaly: string }>;
};
