import { queueSettings } from '../backfill/queue-server.ts';
import type { Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { runDatabaseUpkeep } from '../db/upkeep.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import type { Tracing } from '../observability/tracing.ts';
import { describedTables } from '../protocols/protocols.ts';
import { watchContracts } from '../registry/watch.ts';
import { createMeters } from '../rpc/meter.ts';
import { ChainWork } from './chain-work.ts';
import { recordSpending } from './record-spending.ts';

/** Dependencies of a worker. The caller opens and closes the database. */
export type WorkerInput = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  /** Traces batches. Undefined if the configuration names no collector. */
  readonly tracing?: Tracing | undefined;
  /** Number of ranges that it fills at the same time, for each chain. */
  readonly concurrency: number;
};

/** Works on the queues of every configured chain until the signal aborts. It also plans the blocks of requests. */
export async function runWorker(input: WorkerInput, signal: AbortSignal): Promise<void> {
  const { config, database, log, runtime, concurrency } = input;
  const shared = { ...input, queue: queueSettings(config), scope: { standing: false } };
  const metered = config.chains.map((chain) => ({ chain, meters: createMeters(chain.rpcUrls, runtime.now) }));
  const chains = metered.map(({ chain, meters }) => new ChainWork({ ...shared, chain, meters }));
  const stopRecording = recordSpending(
    input,
    metered.map(({ chain: { chainId }, meters }) => ({ chainId, meters })),
  );
  const planAgain = () => {
    for (const { backfill } of chains) backfill.wake();
  };
  try {
    await Promise.all(chains.map(({ source }) => source.checkChainId(signal)));
    for (const chain of chains) chain.begin();
    log.info({ chains: chains.map(({ chainId }) => chainId), concurrency }, 'worker started');
    await Promise.all([
      ...chains.map(({ backfill }) => backfill.run(signal)),
      runDatabaseUpkeep(database, describedTables, log, signal),
      watchContracts({ sessions: database.sessions, random: runtime.random, onChange: planAgain }, signal),
    ]);
  } finally {
    for (const { source } of chains) source.close();
    await stopRecording();
    log.info('worker stopped');
  }
}
