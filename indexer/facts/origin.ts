import type { Contract, Hex, RawLog } from '../kernel/chain.ts';

/** An unsigned or signed integer of up to 256 bits in decimal digits, as PostgreSQL's `numeric` reads it. */
export type Decimal = string;

/** The contract and log from which a fact was decoded. `timestamp` is the time of the log's block in Unix seconds. */
export type Origin = {
  readonly contract: Contract;
  readonly log: RawLog;
  readonly timestamp: number;
};

/** A contract that cannot be indexed from `blockNumber` on. A commit of a range with this block writes no facts of the contract. */
export type Quarantine = { readonly contract: Contract; readonly blockNumber: number; readonly reason: string };

/** The fields of a transaction receipt that facts need. `effectiveGasPrice` is in wei, and null on chains that do not report it. */
export type Receipt = {
  readonly gasUsed: bigint;
  readonly effectiveGasPrice: bigint | null;
  readonly logs: readonly RawLog[];
};

/** Receipts by transaction hash. */
export type Receipts = ReadonlyMap<Hex, Receipt>;
