import type { Command } from 'commander';
import type { QueueCounts } from '../backfill/queue.ts';
import type { ChainConfig, Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { kindName } from '../kernel/chain.ts';
import { messageOf } from '../kernel/errors.ts';
import type { ChainStatus } from '../progress/status.ts';
import type { AdministrativeEvent } from '../protocols/administrative-events.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { HEAD_TIMEOUT_MS, openSource, reasonOf } from './open-source.ts';
import { type Session, withSession } from './session.ts';

/** The maximum number of printed lines about gaps, and about each kind of failure. `--json` prints all. */
const GAPS_LISTED_MAX = 10;

/** The newest block that an endpoint gives and the mirror's lag behind it, or why none gives one. All null without an endpoint. */
type Remote = {
  readonly remoteHead: number | null;
  readonly lagBlocks: number | null;
  readonly remoteError: string | null;
};
/** The newest events that report an administrative call to a contract. */
type Administered = { readonly administration: readonly AdministrativeEvent[] };
/** The numbers of jobs in the queue of a chain, or why the queue cannot be read. */
type Queued = { readonly queue: QueueCounts | null; readonly queueError: string | null };
type Line = ChainStatus & { readonly configured: boolean } & Remote & Queued & Administered;

/** `indexer status`: shows chains, heads, lag, coverage and failures. */
export function addStatus(program: Command, io: Io): void {
  program
    .command('status')
    .description('show chains, heads, lag, coverage gaps, queues, dead letters and reorgs')
    .addHelpText('after', '\nIf RPC_URL_<chainId> is set, it also reads the head of the chain.')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, {}, async (session) => {
        const { config, database } = session;
        const { countDeferredIndexes } = await import('../db/deferred-indexes.ts');
        const { chainStatus } = await import('../progress/status.ts');
        const { chainLabel } = await import('../config/chains.ts');
        const known = withUnseen(await chainStatus(database.kysely), config);
        const { newestAdministrativeEvents } = await import('../protocols/administrative-events.ts');
        const administration = await newestAdministrativeEvents(database.kysely);
        const chains = await Promise.all(
          known.map(async (chain): Promise<Line> => {
            const [remote, queued] = await Promise.all([
              withRemote(io, session, chain),
              queueOf(io, config, database, chain.chainId),
            ]);
            return { ...remote, ...queued, administration: administration.get(chain.chainId) ?? [] };
          }),
        );
        const deferredIndexes = await countDeferredIndexes(database.kysely);
        const lines =
          chains.length > 0
            ? chains.flatMap((chain) => linesOf(chain, chainLabel(chain.chainId)))
            : ['no chain yet: set RPC_URL_<chainId> and run `indexer start`'];
        if (deferredIndexes > 0)
          lines.push(`${deferredIndexes} indexes were deferred by an initial load and are not built yet`);
        printResult(io, options, { chains, deferredIndexes }, lines);
      });
    });
}

/** Adds the chains that are configured but not in the database yet. */
function withUnseen(known: readonly ChainStatus[], { chains }: Config): readonly ChainStatus[] {
  const unseen = chains.filter(({ chainId }) => !known.some((chain) => chain.chainId === chainId));
  return [...known, ...unseen.map(({ chainId }) => ({ ...UNSEEN, chainId }))].sort((a, b) => a.chainId - b.chainId);
}

const UNSEEN: Omit<ChainStatus, 'chainId'> = {
  status: 'not followed',
  reason: null,
  head: null,
  headTimestamp: null,
  finalized: null,
  contracts: { active: 0, complete: 0, quarantined: 0, removed: 0 },
  gaps: [],
  completeTo: null,
  provedTo: null,
  failedProofs: [],
  repairs: 0,
  deadLetters: 0,
  deadRanges: [],
  reorgs: 0,
  reorgsByDepth: {},
  stages: [],
  contradictions: [],
  dividendAnomalies: 0,
  verification: null,
  updatedAt: null,
};

async function withRemote(
  io: Io,
  session: Session,
  chain: ChainStatus,
): Promise<Omit<Line, keyof Queued | keyof Administered>> {
  const settings = session.config.chains.find(({ chainId }) => chainId === chain.chainId);
  if (settings === undefined)
    return { ...chain, configured: false, remoteHead: null, lagBlocks: null, remoteError: null };
  return { ...chain, configured: true, ...(await askHead(io, session, settings, chain)) };
}

async function askHead(io: Io, session: Session, settings: ChainConfig, chain: ChainStatus): Promise<Remote> {
  const source = await openSource(settings, session, io.runtime);
  try {
    const { number } = await source.head(AbortSignal.any([io.signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]));
    const lagBlocks = chain.head === null ? null : Math.max(0, number - chain.head.number);
    return { remoteHead: number, lagBlocks, remoteError: null };
  } catch (error) {
    return { remoteHead: null, lagBlocks: null, remoteError: io.redact(reasonOf(error, settings)) };
  } finally {
    await source.close();
  }
}

async function queueOf(io: Io, config: Config, database: Database, chainId: number): Promise<Queued> {
  try {
    return { queue: await countJobs(io, config, database, chainId), queueError: null };
  } catch (error) {
    return { queue: null, queueError: io.redact(messageOf(error)) };
  }
}

async function countJobs(io: Io, config: Config, database: Database, chainId: number): Promise<QueueCounts> {
  const { BackfillQueue, queueNameOf } = await import('../backfill/queue.ts');
  const { queueSettings } = await import('../backfill/queue-server.ts');
  const name = await queueNameOf(database.kysely, chainId);
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]);
  const queue = await BackfillQueue.open(queueSettings(config), name, () => undefined, signal);
  try {
    return await queue.counts();
  } finally {
    await queue.close();
  }
}

function queueLine({ queue, queueError }: Queued): string {
  if (queue === null) return `  queue        unknown: ${queueError}`;
  return `  queue        ${queue.waiting} ranges waiting, ${queue.active} active, ${queue.delayed} delayed`;
}

function linesOf(chain: Line, label: string): string[] {
  const { contracts, gaps } = chain;
  const others = [
    contracts.quarantined > 0 ? `${contracts.quarantined} quarantined (why: indexer contracts list)` : [],
    contracts.removed > 0 ? `${contracts.removed} removed` : [],
  ].flat();
  return [
    `${label}: ${chain.status === 'not followed' ? 'not followed by any process; follow it with: indexer start' : chain.status}${chain.configured ? '' : ' (not configured here)'}`,
    ...(chain.reason === null ? [] : [`  reason       ${chain.reason}`]),
    `  head         ${chain.head === null ? 'none yet' : `${chain.head.number} ${chain.head.hash}`}`,
    ...finalizedLines(chain),
    ...remoteLines(chain),
    `  contracts    ${contracts.active} followed, ${contracts.complete} complete${others.map((other) => `, ${other}`).join('')}`,
    ...gaps
      .slice(0, GAPS_LISTED_MAX)
      .map(
        (gap) =>
          `  gap          ${kindName(gap.kind)} ${gap.address}: ${gap.gaps.map(({ from, to }) => `${from}-${to}`).join(', ')}${gap.note === null ? '' : ` (${gap.note})`}`,
      ),
    ...(gaps.length > GAPS_LISTED_MAX ? [`  gap          and ${gaps.length - GAPS_LISTED_MAX} more contracts`] : []),
    ...proofLines(chain),
    queueLine(chain),
    `  dead letters ${chain.deadLetters}${chain.deadLetters === 0 ? '' : ' (their reasons: indexer dead-letters list)'}`,
    ...chain.deadRanges
      .slice(0, GAPS_LISTED_MAX)
      .map(
        ({ from, to, reason }) => `  gave up on   ${from}-${to}: ${reason} (retry with: indexer dead-letters retry)`,
      ),
    `  reorgs       ${chain.reorgs}`,
    ...stageLines(chain),
    ...contradictionLines(chain),
    ...administrationLines(chain),
    ...(chain.dividendAnomalies === 0
      ? []
      : [`  dividends    ${chain.dividendAnomalies} anomalies (view indexer.dividend_anomalies)`]),
    ...verificationLines(chain),
  ];
}

function finalizedLines({ finalized, head }: Line): readonly string[] {
  if (finalized === null) return [];
  const isAbove = head !== null && finalized > head.number;
  return [`  finalized    ${finalized}${isAbove ? ' (above the head, because the chain was unwound)' : ''}`];
}

/** Describes up to which block the facts (decoded logs) are complete and proved, and which ranges could not be proved. */
function proofLines({ completeTo, provedTo, failedProofs, repairs }: Line): readonly string[] {
  if (completeTo === null) return [];
  const repaired = repairs === 0 ? '' : `; ${repairs} repairs of facts (table indexer.repairs)`;
  return [
    `  history      complete to ${completeTo}, proved to ${provedTo}${repaired}`,
    ...failedProofs
      .slice(0, GAPS_LISTED_MAX)
      .map(({ from, to, reason }) => `  not proved   ${from}-${to}: ${reason} (tried again every hour)`),
  ];
}

/** Describes the contradictions between facts, with the status of each. */
function contradictionLines({ contradictions }: Line): readonly string[] {
  const lines = contradictions.map(({ kind, address, rule, from, to, detail, status, reason }) => {
    const outcome = {
      open: 'to be read',
      read: 'read',
      property: 'a property of the contract',
      unreadable: `cannot be read: ${reason}`,
    };
    return `  contradicts  ${kindName(kind)} ${address}, ${rule} in ${from}-${to}: ${detail} (${outcome[status]})`;
  });
  if (lines.length <= GAPS_LISTED_MAX) return lines;
  return [...lines.slice(0, GAPS_LISTED_MAX), `  contradicts  and ${lines.length - GAPS_LISTED_MAX} more times`];
}

/** Describes the newest administrative events. */
function administrationLines({ administration }: Line): readonly string[] {
  return administration.map(({ alarm, event, kind, address, block, transaction }) => {
    const advice = event === 'Upgraded' ? '; check its ABI version: indexer contracts upgrade' : '';
    return `  ${alarm.padEnd(12)} ${event} of ${kind} ${address} in block ${block}, transaction ${transaction}${advice}`;
  });
}

/** Describes the newest scheduled verification. */
function verificationLines({ verification }: Line): readonly string[] {
  if (verification === null) return [];
  const { finishedAt, block, seed, answers, blocks, differences, examples, failedReason } = verification;
  const time = finishedAt.toISOString();
  if (failedReason !== null) return [`  verified     failed at ${time}: ${failedReason}`];
  const compared = `${answers} answers and ${blocks} blocks compared`;
  return [
    `  verified     ${differences} differences at block ${block ?? 'none'}, ${compared} (${time}, seed ${seed})`,
    ...examples.map((example) => `  differs      ${example}`),
  ];
}

/** Describes the stages (state that is derived after a commit, such as dividends) that have stopped or are behind the head. */
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
