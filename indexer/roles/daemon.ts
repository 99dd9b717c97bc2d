import { sql } from 'kysely';
import type { ChainConfig, Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { keepUp } from '../db/upkeep.ts';
import { type Readiness, serveHttp } from '../http/server.ts';
import { messageOf } from '../kernel/errors.ts';
import { sleep, within } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import { stageStatus, stoppedStage } from '../progress/stage-rows.ts';
import { chainReaderOver } from '../registry/chain-reader.ts';
import { enrichContracts } from '../registry/enrich.ts';
import { settleIpoSupplies } from '../registry/ipo-supplies.ts';
import { registerPlatformRows } from '../registry/register-platform-rows.ts';
import { watchContracts } from '../registry/watch.ts';
import type { Source } from '../source/source.ts';
import { chainWork } from './chain-work.ts';

const READY_TIMEOUT_MS = 2_000;
/** Where another process leads, this one has nothing to catch up with. */
const READY_STATES = ['following', 'standing by'];
const ENRICH_INTERVAL_MS = 15_000;
/** How often `/ready` learns whether the chain can be reached. */
const PROBE_INTERVAL_MS = 5_000;
const REFUSED_RETRY_MS = 30_000;
/** Ranges of history that a daemon works on at a time, chain by chain. */
export const DAEMON_CONCURRENCY = 2;

export type DaemonInput = { readonly config: Config; readonly database: Database; readonly log: Logger };

/** One chain's workers, and what `/ready` says of it. */
type FollowedChain = {
  readonly chainId: number;
  readonly source: Source;
  readonly state: string;
  changed(): void;
  run(signal: AbortSignal): Promise<unknown>;
};

/**
 * Follows every configured chain until the signal aborts: heads, gaps of history, new contracts, HTTP. Chains do not wait for
 * each other.
 *
 * The database is open and its schema checked; who opened it closes it.
 */
export async function runDaemon(input: DaemonInput, signal: AbortSignal): Promise<void> {
  const { config, database, log } = input;
  const chains = config.chains.map((chain) => followedChain(input, chain));
  const http = await serveHttp(config.http, () => readiness(database, chains));
  log.info({ chains: chains.map(({ chainId }) => chainId), http: http.address() }, 'started');
  try {
    await Promise.all([
      ...chains.map((chain) => chain.run(signal)),
      watchRegistry(database, config.databaseUrl, chains, log, signal),
      keepUp(database, log, signal),
    ]);
  } finally {
    http.close();
    http.closeAllConnections();
    for (const { source } of chains) source.close();
    log.info('stopped');
  }
}

function followedChain(input: DaemonInput, chain: ChainConfig): FollowedChain {
  const { config, database, log } = input;
  const work = chainWork({ config, chain, database, log, scope: { standing: true }, concurrency: DAEMON_CONCURRENCY });
  const { chainId, source } = work;
  let waking = new AbortController();
  let refusal: string | undefined;
  let unreachable: string | undefined;
  // A head that does not come is no failure of a step, so whether anyone answers is asked by itself.
  const probe = async (signal: AbortSignal) => {
    try {
      await source.head(signal);
      unreachable = undefined;
    } catch (error) {
      if (unreachable === undefined)
        log.warn({ chain: chainId, err: error }, `no endpoint answers: ${messageOf(error)}`);
      unreachable = `failing: ${messageOf(error)}`;
    }
  };
  const enrich = async (signal: AbortSignal) => {
    const { number } = await source.head(signal);
    const found = await enrichContracts(
      { db: database.kysely, chainId, reader: chainReaderOver(source), log },
      number,
      signal,
    );
    if (found) work.backfill.wake();
  };
  return {
    chainId,
    source,
    get state() {
      return refusal ?? unreachable ?? work.state;
    },
    changed: () => {
      work.changed();
      waking.abort();
    },
    run: async (signal) => {
      // A chain whose endpoint is wrong does not stop the others, and is well again once the endpoint is.
      for (
        refusal = await refusalOf(source, log, signal);
        refusal !== undefined;
        refusal = await refusalOf(source, log, signal)
      ) {
        await sleep(REFUSED_RETRY_MS, signal);
        if (signal.aborted) return;
      }
      await Promise.all([
        work.follow(signal),
        work.backfill.run(signal),
        work.stages.run(signal),
        repeat(PROBE_INTERVAL_MS, signal, log, () => probe(signal)),
        repeat(
          ENRICH_INTERVAL_MS,
          signal,
          log,
          () => enrich(signal),
          () => {
            waking = new AbortController();
            return waking.signal;
          },
        ),
      ]);
    },
  };
}

/** An endpoint of another chain is refused before anything is read from it; one that is away is asked again later. */
async function refusalOf(source: Source, log: Logger, signal: AbortSignal): Promise<string | undefined> {
  try {
    await source.checkChainId(signal);
    log.info({ chain: source.chainId, endpoints: source.endpoints() }, 'endpoints');
    return undefined;
  } catch (error) {
    if (!signal.aborted) log.error({ chain: source.chainId, err: error }, messageOf(error));
    return `failing: ${messageOf(error)}`;
  }
}

async function watchRegistry(
  database: Database,
  databaseUrl: string,
  chains: readonly FollowedChain[],
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  await watchContracts(
    {
      databaseUrl,
      onChange: (change) => {
        if (change.of !== 'chain') {
          settleIpoSupplies(database).catch((error) => log.warn({ err: error }, 'cannot sum what IPOs minted'));
        }
        if (change.of === 'ipo') return;
        if (change.of === 'anything') {
          registerPlatformRows(database.kysely).catch((error) =>
            log.warn({ err: error }, 'cannot look for new contracts'),
          );
        }
        for (const chain of chains) if (change.of === 'anything' || change.chainId === chain.chainId) chain.changed();
      },
      onError: (error) => log.warn({ err: error }, 'cannot listen for new contracts'),
    },
    signal,
  );
}

/** Runs `work` every so often, and when woken, until the signal aborts; a failure is logged and the next turn tries again. */
async function repeat(
  intervalMs: number,
  signal: AbortSignal,
  log: Logger,
  work: () => Promise<unknown>,
  woken?: () => AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const wake = woken?.();
    await work().catch((error: unknown) => {
      if (!signal.aborted) log.warn({ err: error }, messageOf(error));
    });
    await sleep(intervalMs, wake === undefined ? signal : AbortSignal.any([signal, wake]));
  }
}

async function readiness(database: Database, chains: readonly FollowedChain[]): Promise<Readiness> {
  const states = new Map(chains.map(({ chainId, state }) => [String(chainId), state]));
  const asked = sql<{ chain_id: string; status_reason: string | null }>`
    select chain_id, status_reason from indexer.chains where status = 'halted'
  `.execute(database.kysely);
  const answer = await within(
    READY_TIMEOUT_MS,
    Promise.all([asked, stageStatus(database.kysely)]).catch(() => undefined),
  );
  if (answer === undefined)
    return { ready: false, chains: { ...Object.fromEntries(states), database: 'does not answer' } };
  const [halted, stages] = answer;
  for (const { chainId, state } of chains) {
    const [stopped] = (stages.get(chainId) ?? []).flatMap((stage) => stoppedStage(stage) ?? []);
    if (stopped !== undefined && READY_STATES.includes(state)) states.set(String(chainId), stopped);
  }
  for (const { chain_id, status_reason } of halted.rows)
    if (states.has(chain_id)) states.set(chain_id, `halted: ${status_reason}`);
  return {
    ready: [...states.values()].every((state) => READY_STATES.includes(state)),
    chains: Object.fromEntries(states),
  };
}
