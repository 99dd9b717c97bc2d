import type { FastifyInstance } from 'fastify';
import { queueSettings } from '../backfill/queue-server.ts';
import type { Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { runDatabaseUpkeep } from '../db/upkeep.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import type { Measures } from '../observability/measures.ts';
import type { Tracing } from '../observability/tracing.ts';
import { describedTables } from '../protocols/protocols.ts';
import { ALARM_LEVELS } from '../protocols/shared/administration.ts';
import { watchContracts } from '../registry/watch.ts';
import { createMeters } from '../rpc/meter.ts';
import type { RpcObservation } from '../source/source.ts';
import { ChainWork } from './chain-work.ts';
import { recordSpending } from './record-spending.ts';

/** Dependencies of a worker. The caller opens and closes the database. */
export type WorkerInput = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  /** Counts what the process does. `/metrics` shows the counts. */
  readonly measures: Measures;
  /** The port of `/health` and `/metrics`. If undefined, no port is opened. */
  readonly httpPort: number | undefined;
  /** Traces each batch of blocks from its fetch to its commit. Undefined if the configuration names no collector. */
  readonly tracing?: Tracing | undefined;
  /** Number of ranges of each chain that the worker fills at the same time. */
  readonly concurrency: number;
};

/** Works on the queue of every configured chain until the signal aborts. Also adds jobs for the blocks of requests to the queues. */
export async function runWorker(input: WorkerInput, signal: AbortSignal): Promise<void> {
  const { config, database, log, runtime, measures, concurrency } = input;
  const observe = (request: RpcObservation) => measures.requested(request);
  const shared = { ...input, observe, queue: queueSettings(config), scope: { standing: false } };
  const metered = config.chains.map((chain) => ({ chain, meters: createMeters(chain.rpcUrls, runtime.now) }));
  const chains = metered.map(({ chain, meters }) => new ChainWork({ ...shared, chain, meters }));
  for (const { chainId } of chains) measures.showAlarms(chainId, ALARM_LEVELS);
  measures.showPools(database.pools);
  const stopRecording = recordSpending(
    input,
    metered.map(({ chain: { chainId }, meters }) => ({ chainId, meters })),
  );
  const planAgain = () => {
    for (const { backfill } of chains) backfill.wake();
  };
  let http: FastifyInstance | undefined;
  try {
    await Promise.all(chains.map(({ source }) => source.checkChainId(signal)));
    http = await openHttp(input);
    for (const chain of chains) chain.begin();
    const context = { chains: chains.map(({ chainId }) => chainId), concurrency, http: http?.server.address() };
    log.info(context, 'worker started');
    await Promise.all([
      ...chains.map(({ backfill }) => backfill.run(signal)),
      runDatabaseUpkeep(database, describedTables, log, signal),
      watchContracts({ sessions: database.sessions, random: runtime.random, onChange: planAgain }, signal),
    ]);
  } finally {
    await http?.close();
    for (const { source } of chains) source.close();
    await stopRecording();
    log.info('worker stopped');
  }
}

/** Serves `/health` and `/metrics` on the port. Without a port it returns undefined and does not even load the HTTP server. */
async function openHttp({
  config,
  httpPort,
  measures: { registry },
  log,
}: WorkerInput): Promise<FastifyInstance | undefined> {
  if (httpPort === undefined) return undefined;
  const { serveWorker } = await import('../http/server.ts');
  const metrics = { contentType: registry.contentType, text: () => registry.metrics() };
  return serveWorker({ host: config.http.host, port: httpPort }, metrics, log);
}
