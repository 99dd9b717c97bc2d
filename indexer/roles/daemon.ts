import { queueSettings } from '../backfill/queue-server.ts';
import type { Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { runDatabaseUpkeep } from '../db/upkeep.ts';
import { serveHttp } from '../http/server.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import type { Measures } from '../observability/measures.ts';
import type { Tracing } from '../observability/tracing.ts';
import { LeaderElection } from '../progress/leader.ts';
import { describedTables } from '../protocols/protocols.ts';
import { settleIpoSupplies } from '../registry/ipo-supplies.ts';
import { registerPlatformRows } from '../registry/register-platform-rows.ts';
import { settleRevenueLinks } from '../registry/revenue-links.ts';
import { type RegistryChange, watchContracts } from '../registry/watch.ts';
import { DaemonChain } from './daemon-chain.ts';
import { daemonPages } from './daemon-pages.ts';
import { recordSpending } from './record-spending.ts';

/** Dependencies of a daemon. The caller opens the database, checks its schema and closes it. */
export type DaemonInput = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  /** Counts what the process does. `/metrics` shows the counts. */
  readonly measures: Measures;
  /** Traces each batch of blocks from its fetch to its commit. Undefined if the configuration names no collector. */
  readonly tracing?: Tracing | undefined;
  /** Number of ranges of each chain that the daemon fills at the same time. */
  readonly concurrency: number;
  /** The version of the program. */
  readonly version: string;
};

/**
 * Follows the head of every configured chain, fills the gaps in its history and follows new contracts, until the signal aborts. Serves
 * pages over HTTP. A chain that fails does not stop the others.
 */
export async function runDaemon(input: DaemonInput, signal: AbortSignal): Promise<void> {
  const { config, database, log, measures, runtime } = input;
  const election = new LeaderElection(database.sessions, runtime.random);
  const shared = { ...input, election, queue: queueSettings(config) };
  const chains = config.chains.map((chain) => new DaemonChain({ ...shared, chain }));
  measures.showPools(database.pools);
  const pages = daemonPages({ ...input, chains, bounds: config.ready });
  const http = await serveHttp(config.http, pages, log);
  log.info({ chains: chains.map(({ chainId }) => chainId), http: http.server.address() }, 'daemon started');
  const stopRecording = recordSpending(input, chains);
  try {
    await Promise.all([
      ...chains.map((chain) => chain.run(signal)),
      watchRegistry(input, chains, signal),
      runDatabaseUpkeep(database, describedTables, log, signal),
    ]);
  } finally {
    await http.close();
    for (const chain of chains) chain.close();
    await stopRecording();
    log.info('daemon stopped');
  }
}

/** Acts on changes of the registry and of the platform's rows: updates rows that depend on them, and notifies the chains concerned. */
async function watchRegistry(
  { database, log, runtime }: DaemonInput,
  chains: readonly DaemonChain[],
  signal: AbortSignal,
): Promise<void> {
  const onChange = (change: RegistryChange) => {
    if (change.type === 'ipo' || change.type === 'anything') {
      settleIpoSupplies(database).catch((error) =>
        log.warn({ err: error }, 'updating minted_supply of master_ipos failed'),
      );
    }
    if (change.type === 'revenue' || change.type === 'anything') {
      settleRevenueLinks(database).catch((error) =>
        log.warn({ err: error }, 'linking rows of revenue to deposits failed'),
      );
    }
    if (change.type === 'ipo' || change.type === 'revenue') return;
    if (change.type === 'anything') {
      registerPlatformRows(database.kysely).catch((error) =>
        log.warn({ err: error }, 'adding contracts of the platform to the registry failed'),
      );
    }
    for (const chain of chains) {
      if (change.type === 'anything' || change.chainId === chain.chainId) chain.contractsChanged();
    }
  };
  const onError = (error: Error) => log.warn({ err: error }, 'listening for new contracts failed');
  await watchContracts({ sessions: database.sessions, random: runtime.random, onChange, onError }, signal);
}
