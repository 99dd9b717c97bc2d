import type { Contract, Hex, RawLog } from '../kernel/chain.ts';

/** An unsigned or signed integer of up to 256 bits in decimal digits, as PostgreSQL's `numeric` reads it. */
export type Decimal = string;

/** Where a fact comes from. `timestamp` is its block's, in Unix seconds. */
export type Origin = {
  readonly contract: Contract;
  readonly log: RawLog;
  readonly timestamp: number;
};

/** A contract that cannot be indexed from `blockNumber` on. The batch holds no fact of it at or after that block. */
export type Quarantine = { readonly contract: Contract; readonly blockNumber: number; readonly reason: string };

/** The part of a transaction's receipt that facts need. `effectiveGasPrice` is in wei, and null on chains that do not give it. */
export type Receipt = {
  readonly gasUsed: bigint;
  readonly effectiveGasPrice: bigint | null;
  readonly logs: readonly RawLog[];
};

/** Receipts by transaction hash. */
export type Receipts = ReadonlyMap<Hex, Receipt>;
