import type { RawBuilder } from 'kysely';
import type { RegisteredRow } from '../../facts/fact-table.ts';
import type { Hex } from '../../kernel/chain.ts';

/** A contract, and the block as of which its facts are read. */
export type ContractAt = RegisteredRow & { readonly block: number };

/** The answer that a view function must give for one key according to the stored facts. */
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
  /** Whether the query of `expected` also reads facts of other contracts of the chain. Their history must then be complete as well. */
  readonly readsOthers?: boolean;
  /** Returns a query for the expected answers as of a block, one row for each key. The query reads facts but no derived state. */
  expected(contract: ContractAt): RawBuilder<Expectation>;
  /** Returns the call for a key. */
  call(contract: Hex, key: string): { readonly to: Hex; readonly data: Hex };
  /** Converts an answer to the form of `Expectation.value`. Returns undefined if the answer is malformed. */
  read(answer: Hex): string | undefined;
  /** The value that counts as the answer if the call reverts. Undefined if a revert is no answer. */
  readonly reverted?: string;
  /** Returns whether an answer agrees with what is expected. Default: they are equal. */
  agrees?(expected: string, answer: string): boolean;
};

/** Rows that break a rule: their key, the value that is stored, and the value that should be stored. */
export type Violation = {
  readonly key: string;
  readonly stored: string | null;
  readonly expected: string | null;
  /** The blocks in which a fact may be missing. Null if the cause is not a missing fact. */
  readonly from_block: string | null;
  readonly to_block: string | null;
};

/** A rule that the rows of a contract obey if its history is complete. */
export type Invariant = {
  readonly name: string;
  /** The table whose rows break the rule. */
  readonly table: string;
  /** Returns a query for the violations of the rule. */
  violations(contract: RegisteredRow): RawBuilder<Violation>;
};

/** How `indexer verify` checks the contracts of a protocol: by questions to the chain, and by rules that rows obey. */
export type Verification = {
  readonly questions: readonly Question[];
  readonly invariants: readonly Invariant[];
  /**
   * Returns a query for anomalies, which are actions that a contract should not have taken. Its column `anomaly` has one sentence for each.
   * The mirror agrees with the chain about them, so `indexer verify` reports them but does not count them as differences.
   */
  anomalies?(contract: RegisteredRow): RawBuilder<{ readonly anomaly: string }>;
};
