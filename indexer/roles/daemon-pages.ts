import type { Database } from '../db/database.ts';
import { assertSchemaCurrent } from '../db/migrate.ts';
import type { ChainView } from '../http/chain-view.ts';
import { Metrics } from '../http/metrics.ts';
import { type ChainCondition, decideReadiness, type Readiness } from '../http/readiness.ts';
import type { Pages } from '../http/server.ts';
import { describeStatus } from '../http/status-document.ts';
import { messageOf, SchemaVersionError } from '../kernel/errors.ts';
import type { Runtime } from '../kernel/runtime.ts';
import { within } from '../kernel/sleep.ts';
import type { Measures } from '../observability/measures.ts';
import { countQuarantined } from '../progress/contract-state.ts';
import { coveragePage } from '../progress/coverage-page.ts';
import { recentBlocks } from '../progress/recent-blocks.ts';
import { unresolvedTroubles } from '../progress/repairs.ts';
import { describeStoppedStage, stageStatus } from '../progress/stage-rows.ts';
import type { ChainStatus } from '../progress/status.ts';
import { verificationStatus } from '../progress/verifications.ts';
import type { DaemonChain } from './daemon-chain.ts';
import { StatusReader } from './status-reader.ts';

const READY_TIMEOUT_MS = 2_000;

/** What the HTTP pages of a daemon are computed from. */
export type DaemonPagesInput = {
  readonly database: Database;
  readonly chains: readonly DaemonChain[];
  readonly measures: Measures;
  readonly runtime: Runtime;
  readonly version: string;
  readonly bounds: { readonly lagBlocks: number; readonly stalledSeconds: number };
};

/** Returns the functions that produce the HTTP pages of a daemon. */
export function daemonPages(input: DaemonPagesInput): Pages {
  const { database, chains, measures, runtime, version } = input;
  const readiness = () => readReadiness(input);
  const statuses = new StatusReader(database.monitoring, runtime.now);
  const views = withLive(input, () => statuses.read());
  return {
    readiness,
    metrics: new Metrics(views, measures.registry, runtime.now),
    status: async () => {
      const [found, ready] = await Promise.all([views(), readiness()]);
      return describeStatus(found, ready, { version, now: new Date() });
    },
    blocks: () => recentBlocks(database.monitoring),
    contracts: (query) => coveragePage(database.monitoring, query),
    queues: () => chains.flatMap((chain) => chain.queue?.board ?? []),
  };
}

/** Returns a function that reads the status of all chains and adds what this process knows about the chains that it runs. */
function withLive(
  { chains }: DaemonPagesInput,
  read: () => Promise<readonly ChainStatus[]>,
): () => Promise<readonly ChainView[]> {
  return async () =>
    Promise.all(
      (await read()).map(async (status) => {
        const chain = chains.find(({ chainId }) => chainId === status.chainId);
        return { ...status, live: chain === undefined ? null : await chain.live(status.gaps) };
      }),
    );
}

async function readReadiness(input: DaemonPagesInput): Promise<Readiness> {
  const { chains, bounds } = input;
  const states = Object.fromEntries(chains.map(({ chainId, state }) => [chainId, state]));
  try {
    const conditions = await within(READY_TIMEOUT_MS, readConditions(input));
    if (conditions !== undefined) return decideReadiness(conditions, bounds);
  } catch (error) {
    if (error instanceof SchemaVersionError) return { ready: false, chains: { ...states, schema: messageOf(error) } };
  }
  return { ready: false, chains: { ...states, database: 'does not answer' } };
}

async function readConditions({ database, chains }: DaemonPagesInput): Promise<readonly ChainCondition[]> {
  const db = database.monitoring;
  await assertSchemaCurrent(db);
  const [halted, stages, troubles, verifications, quarantined] = await Promise.all([
    db.selectFrom('indexer.chains').select(['chain_id', 'status_reason']).where('status', '=', 'halted').execute(),
    stageStatus(db),
    unresolvedTroubles(db),
    verificationStatus(db),
    countQuarantined(db),
  ]);
  const haltedReasons = new Map(halted.map(({ chain_id, status_reason }) => [Number(chain_id), status_reason ?? '']));
  return chains.map(({ chainId, state, progress }) => {
    const { doubt, contradiction, unproved } = troubles.get(chainId) ?? {};
    const { differences = 0 } = verifications.get(chainId) ?? {};
    return {
      chainId,
      state,
      halted: haltedReasons.get(chainId) ?? null,
      stoppedStage: (stages.get(chainId) ?? []).flatMap((stage) => describeStoppedStage(stage) ?? [])[0],
      contradiction:
        contradiction ??
        (differences === 0
          ? undefined
          : `the newest verification found ${differences} differences; see indexer status`),
      lagBlocks: progress.lagBlocks,
      stalledSeconds: progress.stalledSeconds,
      concerns: [doubt, unproved, describeQuarantined(quarantined.get(chainId))].filter(
        (concern) => concern !== undefined,
      ),
    };
  });
}

/** Returns a sentence that tells the operator how many contracts are quarantined and so not followed. Undefined if there are none. */
function describeQuarantined(count: number | undefined): string | undefined {
  if (count === undefined) return undefined;
  return `${count === 1 ? '1 contract is' : `${count} contracts are`} quarantined; see indexer contracts list`;
}
