import type { Database } from '../db/database.ts';
import type { CommittedRange } from '../ingest/committed-range.ts';
import type { Contract } from '../kernel/chain.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import type { Measures } from '../observability/measures.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { RequestedContract } from '../progress/contract-coverage.ts';
import type { Source } from '../source/source.ts';

/** Settings of one chain's follower. */
export type FollowerOptions = {
  readonly chainId: number;
  /** How many blocks below the head count as not final if the chain serves no `finalized` tag. */
  readonly confirmations: number;
  /** Whether every header is read and compared with the logs in ranges below the finalized block too, and not only above it. */
  readonly provesInline: boolean;
  /** The deepest reorg that is repaired without an operator, in blocks. */
  readonly haltDepth: number;
  /** Claims of at least this much of the native coin, in wei, are reported. If undefined, no claim is reported. */
  readonly largeClaimWei?: bigint | undefined;
};

/** The contracts of the registry that can be decoded, from one read of the registry. */
export type FollowedContracts = {
  readonly contracts: readonly Contract[];
  /** The contracts that the follower does not cover yet. */
  readonly joining: readonly RequestedContract[];
  /** The contracts for which a former indexer left facts in blocks above the head. */
  readonly former: readonly Contract[];
  readonly liveVersion: number;
};

/** Dependencies of the follower. */
export type FollowerDeps = {
  readonly database: Database;
  readonly source: Source;
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly loadContracts: () => Promise<FollowedContracts>;
  /** Counts events that an operator should know about. */
  readonly measures?: Measures | undefined;
  /** Traces each batch from its fetch to its commit. */
  readonly tracing?: Tracing | undefined;
  readonly onCommit?: (range: CommittedRange) => void;
  /** Called after every step and commit that succeeds, and with the error from the second failure in a row on. `/ready` reports it. */
  readonly onStep?: (failure: Error | undefined) => void;
};
