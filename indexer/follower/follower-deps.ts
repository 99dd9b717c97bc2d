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
  /** The number of blocks from the finalized block to the head, if no endpoint serves the `finalized` tag. */
  readonly confirmations: number;
  /** Whether below the finalized block, too, the header of every block is read and compared with its logs. Above it, it always is. */
  readonly provesInline: boolean;
  /** The depth of the deepest reorg that is unwound without an operator, in blocks. A deeper one halts the chain. */
  readonly haltDepth: number;
  /** Claims of at least this much of the native coin, in wei, are reported. If undefined, no claim is reported. */
  readonly largeClaimWei?: bigint | undefined;
};

/** The contracts of the registry that can be decoded, from one read of the registry. */
export type FollowedContracts = {
  readonly contracts: readonly Contract[];
  /** Those of `contracts` that the follower does not cover yet. Its next commit begins to cover them. */
  readonly joining: readonly RequestedContract[];
  /** Those of `contracts` for which the platform's former indexer left facts in blocks above the head. */
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
  /** Counts administrative events and large claims, which an operator should know about. */
  readonly measures?: Measures | undefined;
  /** Traces each batch from its fetch to its commit. */
  readonly tracing?: Tracing | undefined;
  readonly onCommit?: (range: CommittedRange) => void;
  /** Called after every step and commit that succeeds, and with the error of every failure but the first in a row, for `/ready`. */
  readonly onStep?: (failure: Error | undefined) => void;
};
