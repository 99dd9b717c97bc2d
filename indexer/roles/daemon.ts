import type { Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { runDatabaseUpkeep } from '../db/upkeep.ts';
import { Metrics } from '../http/metrics.ts';
import { type Readiness, serveHttp } from '../http/server.ts';
import type { Runtime } from '../kernel/runtime.ts';
import { within } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import { unprovable } from '../progress/repairs.ts';
import { describeStoppedStage, stageStatus } from '../progress/stage-rows.ts';
import { chainStatus } from '../progress/status.ts';
import { describedTables } from '../protocols/protocols.ts';
import { settleIpoSupplies } from '../registry/ipo-supplies.ts';
import { registerPlatformRows } from '../registry/register-platform-rows.ts';
import { settleRevenueLinks } from '../registry/revenue-links.ts';
import { type RegistryChange, watchContracts } from '../registry/watch.ts';
import { DaemonChain } from './daemon-chain.ts';

const READY_TIMEOUT_MS = 2_000;
/** States of a chain in which the process is ready. */
const READY_STATES = ['following', 'standing by'];

/** Dependencies of a daemon. The caller opens the database, checks its schema and closes it. */
export type DaemonInput = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  /** Number of ranges that it fills at the same time, for each chain. */
  readonly concurrency: number;
};

/**
 * Follows every configured chain until the signal aborts: its head, the gaps in its history, and new contracts. Serves `/health`,
 * `/ready` and `/metrics`. A chain that fails does not stop the others.
 */
export async function runDaemon(input: DaemonInput, signal: AbortSignal): Promise<void> {
  const { config, database, log, runtime } = input;
  const chains = config.chains.map((chain) => new DaemonChain({ ...input, chain }));
  const metrics = new Metrics(() => chainStatus(database.kysely), runtime.now);
  const http = await serveHttp(config.http, { readiness: () => readinessOf(database, chains), metrics });
  log.info({ chains: chains.map(({ chainId }) => chainId), http: http.address() }, 'daemon started');
  try {
    await Promise.all([
      ...chains.map((chain) => chain.run(signal)),
      watchRegistry(input, chains, signal),
      runDatabaseUpkeep(database, describedTables, log, signal),
    ]);
  } finally {
    http.close();
    http.closeAllConnections();
    for (const chain of chains) chain.close();
    log.info('daemon stopped');
  }
}

/** Notifies the chains when contracts or requests may have changed. */
async function watchRegistry(
  { database, log, runtime }: DaemonInput,
  chains: readonly DaemonChain[],
  signal: AbortSignal,
): Promise<void> {
  const onChange = (change: RegistryChange) => {
    if (change.type === 'ipo' || change.type === 'anything') {
      settleIpoSupplies(database).catch((error) => log.warn({ err: error }, 'summing IPO supplies failed'));
    }
    if (change.type === 'revenue' || change.type === 'anything') {
      settleRevenueLinks(database).catch((error) => log.warn({ err: error }, 'linking revenue failed'));
    }
    if (change.type === 'ipo' || change.type === 'revenue') return;
    if (change.type === 'anything') {
      registerPlatformRows(database.kysely).catch((error) =>
        log.warn({ err: error }, 'registering platform contracts failed'),
      );
    }
    for (const chain of chains) {
      if (change.type === 'anything' || change.chainId === chain.chainId) chain.contractsChanged();
    }
  };
  const onError = (error: Error) => log.warn({ err: error }, 'listening for new contracts failed');
  await watchContracts({ sessions: database.sessions, random: runtime.random, onChange, onError }, signal);
}

async function readinessOf(database: Database, chains: readonly DaemonChain[]): Promise<Readiness> {
  const states = new Map(chains.map(({ chainId, state }) => [String(chainId), state]));
  const halted = database.kysely
    .selectFrom('indexer.chains')
    .select(['chain_id', 'status_reason'])
    .where('status', '=', 'halted')
    .execute();
  const answer = await within(
    READY_TIMEOUT_MS,
    Promise.all([halted, stageStatus(database.kysely), unprovable(database.kysely)]).catch(() => undefined),
  );
  if (answer === undefined)
    return { ready: false, chains: { ...Object.fromEntries(states), database: 'does not answer' } };
  const [haltedChains, stages, degraded] = answer;
  for (const { chainId, state } of chains) {
    const [stopped] = (stages.get(chainId) ?? []).flatMap((stage) => describeStoppedStage(stage) ?? []);
    if (stopped !== undefined && READY_STATES.includes(state)) states.set(String(chainId), stopped);
  }
  for (const { chain_id, status_reason } of haltedChains)
    if (states.has(chain_id)) states.set(chain_id, `halted: ${status_reason}`);
  return {
    ready: [...states.values()].every((state) => READY_STATES.includes(state)),
    chains: Object.fromEntries(states),
    ...(degraded.size > 0 && { degraded: Object.fromEntries(degraded) }),
  };
}
