import type { Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { runDatabaseUpkeep } from '../db/upkeep.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import { describedTables } from '../protocols/protocols.ts';
import { watchContracts } from '../registry/watch.ts';
import { ChainWork } from './chain-work.ts';

/** What a worker works with. The caller opens and closes the database. */
export type WorkerInput = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  /** Ranges of history that it fills at a time, for each chain. */
  readonly concurrency: number;
};

/** Works on the queues of every configured chain until the signal aborts: on what others plan, and on what requests ask for. */
export async function runWorker(input: WorkerInput, signal: AbortSignal): Promise<void> {
  const { config, database, log, runtime, concurrency } = input;
  const chains = config.chains.map((chain) => new ChainWork({ ...input, chain, scope: { standing: false } }));
  const planAgain = () => {
    for (const { backfill } of chains) backfill.wake();
  };
  try {
    await Promise.all(chains.map(({ source }) => source.checkChainId(signal)));
    log.info({ chains: chains.map(({ chainId }) => chainId), concurrency }, 'working');
    await Promise.all([
      ...chains.map(({ backfill }) => backfill.run(signal)),
      runDatabaseUpkeep(database, describedTables, log, signal),
      watchContracts({ databaseUrl: config.databaseUrl, random: runtime.random, onChange: planAgain }, signal),
    ]);
  } finally {
    for (const { source } of chains) source.close();
    log.info('stopped');
  }
}
