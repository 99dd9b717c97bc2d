import type { Command } from 'commander';
import type { QueueCounts } from '../backfill/queue.ts';
import type { ChainConfig, Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { countDeferredIndexes } from '../db/deferred-indexes.ts';
import { messageOf } from '../kernel/errors.ts';
import { type ChainStatus, chainStatus } from '../progress/status.ts';
import { type GlobalOptions, printResult } from './io.ts';
import { type Cli, withSession } from './session.ts';

/** How long an endpoint may take to tell its head before the status goes without. */
const HEAD_TIMEOUT_MS = 3_000;
/** How many gaps are listed for people; `--json` has them all. */
const GAPS_LISTED_MAX = 10;

/** What the chain's own head says, where an endpoint is configured. */
type Remote = {
  readonly remoteHead: number | null;
  readonly lagBlocks: number | null;
  readonly remoteError: string | null;
};
/** What waits for workers; `queueError` where the queue does not answer. */
type Queued = { readonly queue: QueueCounts | null; readonly queueError: string | null };
type Line = ChainStatus & { readonly configured: boolean } & Remote & Queued;

/** `indexer status`: chains, heads, lag, coverage, what went wrong. */
export function addStatus(program: Command, cli: Cli): void {
  program
    .command('status')
    .description('chains, head, lag, coverage gaps, queues, dead letters, reorgs')
    .addHelpText('after', '\nAsks the chain for its head where an RPC_URL_<chainId> is set; works without.')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(cli, options, {}, async ({ config, database }) => {
        const known = withUnseen(await chainStatus(database.kysely), config);
        const chains = await Promise.all(
          known.map(async (chain): Promise<Line> => {
            const [remote, queued] = await Promise.all([
              withRemote(cli, config, chain),
              queueOf(cli, config, database, chain.chainId),
            ]);
            return { ...remote, ...queued };
          }),
        );
        const deferredIndexes = await countDeferredIndexes(database.kysely);
        const lines =
          chains.length > 0 ? chains.flatMap(linesOf) : ['no chain yet: set RPC_URL_<chainId>, run `indexer start`'];
        if (deferredIndexes > 0)
          lines.push(`${deferredIndexes} indexes that a load left for its end are not there yet`);
        printResult(cli.io, options, { chains, deferredIndexes }, lines);
      });
    });
}

/** With the chains that are configured but that the database has never seen. */
function withUnseen(known: readonly ChainStatus[], { chains }: Config): readonly ChainStatus[] {
  const unseen = chains.filter(({ chainId }) => !known.some((chain) => chain.chainId === chainId));
  return [...known, ...unseen.map(({ chainId }) => ({ ...UNSEEN, chainId }))].sort((a, b) => a.chainId - b.chainId);
}

const UNSEEN: Omit<ChainStatus, 'chainId'> = {
  status: 'following',
  reason: null,
  head: null,
  finalized: null,
  contracts: { active: 0, complete: 0, quarantined: 0, removed: 0 },
  gaps: [],
  deadLetters: 0,
  deadRanges: [],
  reorgs: 0,
  stages: [],
  updatedAt: null,
};

async function withRemote(cli: Cli, config: Config, chain: ChainStatus): Promise<Omit<Line, keyof Queued>> {
  const settings = config.chains.find(({ chainId }) => chainId === chain.chainId);
  if (settings === undefined)
    return { ...chain, configured: false, remoteHead: null, lagBlocks: null, remoteError: null };
  return { ...chain, configured: true, ...(await askHead(cli, settings, chain)) };
}

async function askHead({ io, services }: Cli, settings: ChainConfig, chain: ChainStatus): Promise<Remote> {
  const source = await services.createSource(settings);
  try {
    const { number } = await source.head(AbortSignal.any([io.signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]));
    const lagBlocks = chain.head === null ? null : Math.max(0, number - chain.head.number);
    return { remoteHead: number, lagBlocks, remoteError: null };
  } catch (error) {
    return { remoteHead: null, lagBlocks: null, remoteError: io.redact(messageOf(error)) };
  } finally {
    source.close();
  }
}

async function queueOf({ io, services }: Cli, config: Config, database: Database, chainId: number): Promise<Queued> {
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]);
  try {
    return { queue: await services.countJobs({ config, database }, chainId, signal), queueError: null };
  } catch (error) {
    return { queue: null, queueError: io.redact(messageOf(error)) };
  }
}

function queueLine({ queue, queueError }: Queued): string {
  if (queue === null) return `  queue        unknown: ${queueError}`;
  return `  queue        ${queue.waiting} ranges wait, ${queue.active} in work, ${queue.putOff} put off`;
}

function linesOf(chain: Line): string[] {
  const { contracts, gaps } = chain;
  const others = [
    contracts.quarantined > 0 ? `${contracts.quarantined} quarantined` : [],
    contracts.removed > 0 ? `${contracts.removed} removed` : [],
  ].flat();
  return [
    `chain ${chain.chainId}: ${chain.status}${chain.configured ? '' : ' (not configured here)'}`,
    ...(chain.reason === null ? [] : [`  reason       ${chain.reason}`]),
    `  head         ${chain.head === null ? 'none yet' : `${chain.head.number} ${chain.head.hash}`}`,
    ...(chain.finalized === null ? [] : [`  finalized    ${chain.finalized}`]),
    ...remoteLines(chain),
    `  contracts    ${contracts.active} followed, ${contracts.complete} complete${others.map((other) => `, ${other}`).join('')}`,
    ...gaps
      .slice(0, GAPS_LISTED_MAX)
      .map(
        (gap) =>
          `  gap          ${gap.kind} ${gap.address}: ${gap.gaps.map(({ from, to }) => `${from}-${to}`).join(', ')}`,
      ),
    ...(gaps.length > GAPS_LISTED_MAX ? [`  gap          and ${gaps.length - GAPS_LISTED_MAX} more contracts`] : []),
    queueLine(chain),
    `  dead letters ${chain.deadLetters}`,
    ...chain.deadRanges
      .slice(0, GAPS_LISTED_MAX)
      .map(({ from, to, reason }) => `  gave up on   ${from}-${to}: ${reason} (try again with: indexer backfill)`),
    `  reorgs       ${chain.reorgs}`,
    ...stageLines(chain),
  ];
}

/** Describes the stages that stopped or are behind the head. */
function stageLines({ stages, head }: Line): readonly string[] {
  return stages
    .filter(({ asOf, failedReason }) => failedReason !== null || asOf !== head?.number)
    .map(({ name, asOf, failedReason }) => {
      if (failedReason !== null) return `  stage ${name}  stopped at ${asOf ?? 'its beginning'}: ${failedReason}`;
      const behind = head === null ? '' : `, ${head.number - (asOf ?? -1)} blocks behind the head`;
      return `  stage ${name}  at ${asOf ?? 'its beginning'}${behind}`;
    });
}

function remoteLines({ remoteHead, lagBlocks, remoteError }: Line): readonly string[] {
  if (remoteError !== null) return [`  lag          unknown: ${remoteError}`];
  if (remoteHead === null) return [];
  return [`  lag          ${lagBlocks === null ? '' : `${lagBlocks} blocks, `}the chain is at ${remoteHead}`];
}
