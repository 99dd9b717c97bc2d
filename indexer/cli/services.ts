import type { QueueCounts } from '../backfill/queue.ts';
import type { BackfillRequest } from '../backfill/requests.ts';
import type { ChainConfig, Config } from '../config/resolve.ts';
import type { Database, DatabaseOptions } from '../db/database.ts';
import type { BlockHeader } from '../kernel/chain.ts';
import type { Logger } from '../observability/log.ts';
import type { CallSource } from '../registry/chain-reader.ts';
import type { BackfillInput, BackfillOutcome, BackfillProgress } from '../roles/backfill.ts';

/** The chain as commands ask it. */
export type CommandSource = CallSource & {
  head(signal?: AbortSignal): Promise<BlockHeader>;
  close(): void;
};

export type DaemonInput = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
};

export type Unwound = { readonly chainId: number; readonly toBlock: number | undefined; readonly factsRemoved: number };

/** Content of tables, equal for equal content. */
export type Digest = { readonly tables: Readonly<Record<string, { readonly rows: number; readonly digest: string }>> };

/** What `main` constructs for the commands. */
export type Services = {
  openDatabase(options: DatabaseOptions): Database;
  createSource(chain: ChainConfig): Promise<CommandSource>;
  /** Follows every configured chain until the signal aborts. */
  runDaemon(input: DaemonInput, signal: AbortSignal): Promise<void>;
  /** What is in the queue of a chain. Throws where the queue does not answer. */
  countJobs(input: Omit<DaemonInput, 'log'>, chainId: number, signal: AbortSignal): Promise<QueueCounts>;
  /** Works the queues until the signal aborts. */
  runWorker(input: DaemonInput & { readonly concurrency: number }, signal: AbortSignal): Promise<void>;
  /** Fills a range and watches it. */
  runBackfill(
    input: BackfillInput,
    onProgress: (progress: BackfillProgress) => void,
    signal: AbortSignal,
  ): Promise<BackfillOutcome>;
  /** Records a range for daemons and workers to fill. */
  requestBackfill(input: BackfillInput, signal: AbortSignal): Promise<BackfillRequest>;
  /** Takes a chain back to a block and clears a halt. */
  unwind(database: Database, chainId: number, toBlock: number): Promise<Unwound>;
  /** Of the named tables, else of all. Throws `UsageError` for a table that has no digest. */
  digest(database: Database, tables: readonly string[] | undefined): Promise<Digest>;
};
