import { z } from 'zod';
import { type ChainView, lagBlocksOf, lagSecondsOf } from './chain-view.ts';
import type { Readiness } from './readiness.ts';

const block = z.int().nonnegative();
const count = z.int().nonnegative();
const time = z.iso.datetime();

const endpoint = z.strictObject({
  endpoint: z.string().describe('Host of the URL, without secrets, and place in the configuration.'),
  status: z.string().describe('`healthy`, or what keeps the process from using it.'),
  reason: z.string().nullable(),
  rangeBlocks: count.describe('Blocks that it takes in one range of logs, as far as is known.'),
  callsPerSecond: z
    .number()
    .nonnegative()
    .nullable()
    .describe('Calls a second that it takes. Null if no limit is known.'),
  budget: z
    .strictObject({ unit: z.enum(['calls', 'compute units']), spent: count, limit: count })
    .nullable()
    .describe('What all processes have spent of its budget in this month (UTC). Null if it has no budget.'),
  calls: count.describe('Calls that this process sent.'),
  failedCalls: count,
});

const chain = z.strictObject({
  chainId: z.int().positive(),
  state: z.string().describe('`following`, `standing by`, or why the chain is not ready.'),
  head: z.strictObject({ number: block, hash: z.string(), timestamp: time.nullable() }).nullable(),
  remoteHead: block.nullable().describe('Newest block that an endpoint knows.'),
  lagBlocks: count.nullable(),
  lagSeconds: z.number().nonnegative().nullable(),
  finalized: block.nullable(),
  completeTo: block.nullable().describe('Block up to which no contract has a gap.'),
  provedTo: block.nullable().describe('Block up to which every fact was compared with the headers.'),
  lastIndexedAt: time.nullable().describe('When the head last moved.'),
  eventsPerSecond: z.number().nonnegative().describe('Facts that this process wrote, over the last ten seconds.'),
  contracts: z.strictObject({ active: count, complete: count, quarantined: count, removed: count }),
  queue: z.strictObject({ waiting: count, active: count, delayed: count }).nullable(),
  backfills: z.array(
    z.strictObject({
      id: z.string(),
      from: block,
      to: block,
      blocksLeft: count,
      blocks: count.describe('The largest number of missing blocks that this process has seen so far.'),
      secondsLeft: count.nullable().describe('Null until a rate is known.'),
    }),
  ),
  endpoints: z.array(endpoint),
  stages: z.array(z.strictObject({ name: z.string(), asOf: block.nullable(), failedReason: z.string().nullable() })),
  reorgs: count,
  repairs: count,
  deadLetters: count,
  contradictions: count,
  dividendAnomalies: count,
  verifyDifferences: count.nullable(),
});

/** The document at `/status`. `/status/schema` serves it as JSON Schema. */
export const statusDocument = z.strictObject({
  status: z.enum(['healthy', 'degraded']),
  reasons: z.array(z.string()).describe('Why the status is degraded.'),
  version: z.string(),
  time,
  blocksBehind: count.nullable().describe('Largest lag of all chains.'),
  lastIndexedAt: time.nullable().describe('When the head of any chain last moved.'),
  chains: z.array(chain),
});

/** The status of a process and its chains. */
export type StatusDocument = z.infer<typeof statusDocument>;

/** Describes the status of a process and its chains. Chains of the database that the process does not run are left out. */
export function describeStatus(
  chains: readonly ChainView[],
  readiness: Readiness,
  { version, now }: { readonly version: string; readonly now: Date },
): StatusDocument {
  const described = chains.filter(({ live }) => live !== null).map((view) => describeChain(view, readiness, now));
  const notReady = Object.entries(readiness.chains).filter(([, state]) => !/^(?:following|standing by)$/.test(state));
  const reasons = [...(readiness.ready ? [] : notReady), ...Object.entries(readiness.degraded ?? {})];
  const lags = described.flatMap(({ lagBlocks }) => lagBlocks ?? []);
  const times = described.flatMap(({ lastIndexedAt }) => lastIndexedAt ?? []).sort();
  return {
    status: reasons.length === 0 ? 'healthy' : 'degraded',
    reasons: reasons.map(([subject, reason]) => `${/^\d/.test(subject) ? `chain ${subject}` : subject}: ${reason}`),
    version,
    time: now.toISOString(),
    blocksBehind: lags.length === 0 ? null : Math.max(...lags),
    lastIndexedAt: times.at(-1) ?? null,
    chains: described,
  };
}

/** Returns a block number, or null if it is negative, because then not even block 0 is complete or proved. */
function blockOrNull(number: number | null): number | null {
  return number === null || number < 0 ? null : number;
}

function describeChain(view: ChainView, readiness: Readiness, now: Date): StatusDocument['chains'][number] {
  const { chainId, head, live, finalized, contracts, reorgs, repairs, deadLetters } = view;
  return {
    chainId,
    state: readiness.chains[chainId] ?? live?.state ?? 'starting',
    head: head && { ...head, timestamp: view.headTimestamp?.toISOString() ?? null },
    // The endpoints were asked a few seconds ago, so the committed head may be above what they answered.
    remoteHead: live?.remoteHead == null ? null : Math.max(live.remoteHead, head?.number ?? 0),
    lagBlocks: lagBlocksOf(view),
    lagSeconds: lagSecondsOf(view, now),
    finalized,
    completeTo: blockOrNull(view.completeTo),
    provedTo: blockOrNull(view.provedTo),
    lastIndexedAt: view.updatedAt?.toISOString() ?? null,
    eventsPerSecond: live?.eventsPerSecond ?? 0,
    contracts,
    queue: live?.queue ?? null,
    backfills: (live?.backfills ?? []).map(({ secondsLeft = null, ...backfill }) => ({ ...backfill, secondsLeft })),
    endpoints: (live?.endpoints ?? []).map(
      ({ endpoint, status, reason, rangeBlocks, callsPerSecond, budget, calls, failedCalls }) => ({
        ...{ endpoint, status, rangeBlocks, calls, failedCalls },
        reason: reason ?? null,
        callsPerSecond: callsPerSecond ?? null,
        budget: budget ?? null,
      }),
    ),
    stages: view.stages.map(({ name, asOf, failedReason }) => ({ name, asOf, failedReason })),
    reorgs,
    repairs,
    deadLetters,
    contradictions: view.contradictions.length,
    dividendAnomalies: view.dividendAnomalies,
    verifyDifferences: view.verification?.differences ?? null,
  };
}
