import type { Command } from 'commander';
import type { BackfillRequest, RecordedRequest } from '../backfill/requests.ts';
import type { Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { type Hex, kindName } from '../kernel/chain.ts';
import { IndexerError, UsageError } from '../kernel/errors.ts';
import type { BackfillOutcome } from '../roles/backfill-command.ts';
import { address, blockNumber, chainOf, configuredChain, positiveNumber } from './arguments.ts';
import { addBackfillCancel, addBackfillStatus } from './backfill-requests.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { fillingConnections, withSession } from './session.ts';

/** The default number of ranges of one chain that a backfill or a worker fills at the same time. */
export const DEFAULT_CONCURRENCY = 2;

type Given = {
  readonly fromBlock?: number;
  readonly toBlock?: number;
  readonly chain?: number;
  readonly contract: readonly Hex[];
  readonly concurrency: number;
  readonly detach?: boolean;
  readonly proved?: boolean;
};

/** `indexer backfill`: fills history. Its subcommands `status` and `cancel` show and end requests. */
export function addBackfill(program: Command, io: Io): void {
  const backfill = program
    .command('backfill')
    .description('fill history; it is safe to repeat, to interrupt, and to run while a daemon runs')
    .option('--from-block <n>', 'the first block', blockNumber)
    .option('--to-block <n>', 'the last block (default: the chain’s head when the command starts)', blockNumber)
    .option('--chain <id>', 'the chain (default: the only one that is configured)', positiveNumber)
    .option('--contract <address>', 'fill only this contract; may be given several times', listed, [])
    .option(
      '--concurrency <k>',
      'number of ranges that this process fills at the same time',
      positiveNumber,
      DEFAULT_CONCURRENCY,
    )
    .option('--detach', 'record the request and leave it to running daemons and workers')
    .option('--proved', 'also prove the range: compare the headers of all its blocks with what was filled')
    .addHelpText(
      'after',
      `
Exits with 0 only if the database records all blocks of the range as filled for every contract. With --proved, the headers of all
blocks must also confirm it.

Examples:
  indexer backfill --from-block 21000000 --chain 8453
  indexer backfill --from-block 0 --to-block 999999 --contract 0x… --concurrency 4
  indexer backfill --from-block 21000000 --proved`,
    )
    .action((given: Given, command: Command) => fill(io, given, command.optsWithGlobals<GlobalOptions>()));
  addBackfillStatus(backfill, io);
  addBackfillCancel(backfill, io);
}

function listed(text: string, before: readonly Hex[]): readonly Hex[] {
  return [...before, address(text)];
}

async function fill(io: Io, given: Given, options: GlobalOptions): Promise<void> {
  const { fromBlock: from, toBlock: to } = given;
  if (from === undefined) throw new UsageError('the first block is missing: --from-block N');
  if (to !== undefined && from > to) {
    throw new UsageError(`the range is empty: it begins at block ${from} and ends at block ${to}`);
  }
  if (given.detach && given.proved) {
    throw new UsageError('--proved cannot be used with --detach: running daemons prove what they fill by themselves');
  }
  const [{ ProgressBar }, { requestBackfill, runBackfill }] = await Promise.all([
    import('./progress-bar.ts'),
    import('../roles/backfill-command.ts'),
  ]);
  const bar = new ProgressBar(io.stderr);
  const aboveBar = { ...io, stderr: bar.above };
  const needs = {
    needs: ['chains'],
    maxConnections: fillingConnections(1, given.concurrency),
    limitStatements: true,
    prepare: (config: Config) => configuredChain(chainOf(given.chain, config), config),
  } as const;
  await withSession(aboveBar, options, needs, async ({ config, database, log, prepared: chain }) => {
    const input = {
      ...{ config, database, log, runtime: io.runtime, chain, from, to, concurrency: given.concurrency },
      proved: given.proved ?? false,
      contracts: given.contract.length === 0 ? null : given.contract,
    };
    if (given.detach) {
      const request = await requestBackfill(input, io.signal);
      printResult(io, options, { request }, [
        `recorded ${request.id}: ${nameOf(request)}`,
        'running daemons (`indexer start`) and workers (`indexer worker`) fill it; see `indexer backfill status`',
      ]);
      return;
    }
    const outcome = await runBackfill(input, (progress) => bar.show(progress), io.signal).finally(() => bar.end());
    await report(io, { ...options, ...given }, outcome, await requestsStillRunning(database.kysely, outcome));
  });
}

/** If this backfill was cancelled, returns the requests of its chain that are still running. Otherwise returns none. */
async function requestsStillRunning(
  db: Database['kysely'],
  { ended, request }: BackfillOutcome,
): Promise<readonly RecordedRequest[]> {
  if (ended !== 'cancelled') return [];
  const { listRequests } = await import('../backfill/requests.ts');
  return listRequests(db, { onlyRunning: true, chainId: request.chainId });
}

/** Prints how a backfill ended. Throws unless it is complete. */
async function report(
  io: Io,
  options: GlobalOptions & Given,
  outcome: BackfillOutcome,
  stillRunning: readonly RecordedRequest[],
): Promise<void> {
  const { request, ended, events } = outcome;
  const lines = [
    ...(ended === 'complete'
      ? [`complete${options.proved ? ' and proved' : ''}: ${nameOf(request)}; ${events} events written here`]
      : missingLines(outcome)),
    ...stillRunning.map((running) => `still running  ${running.id}: ${nameOf(running)}`),
  ];
  if (outcome.indexesLeft > 0) {
    lines.push(
      `${outcome.indexesLeft} indexes are not built yet: a running daemon or the next \`indexer backfill\` builds them`,
    );
  }
  printResult(io, options, { ...outcome, others: stillRunning }, lines);
  switch (ended) {
    case 'complete':
      return;
    case 'unproved':
      throw new IndexerError(
        `${nameOf(request)} is complete but not proved; retry with: ${commandLineOf(request, options)}`,
      );
    case 'incomplete':
      throw new IndexerError(`${nameOf(request)} is not complete; ${adviceFor(outcome, options)}`);
    case 'halted':
      throw new IndexerError(`${nameOf(request)} is not complete, and the chain is halted: ${outcome.reason}`);
    case 'cancelled':
      throw new IndexerError(`${nameOf(request)} was cancelled by \`indexer backfill cancel\``);
    case 'stopped':
      throw new IndexerError(`stopped; filled blocks stay. Continue with: ${commandLineOf(request, options)}`);
  }
}

/**
 * Returns advice on an incomplete backfill. If only blocks of quarantined contracts are missing, the advice says what to do about these
 * contracts. Otherwise it is to retry.
 */
function adviceFor({ request, incomplete, dead }: BackfillOutcome, options: GlobalOptions & Given): string {
  const [first, ...others] = incomplete;
  if (first === undefined || dead.length > 0 || incomplete.some(({ setAside }) => setAside === null))
    return `retry with: ${commandLineOf(request, options)}`;
  const remove = `indexer contracts remove ${others.length > 0 ? 'ADDRESS' : first.address} --chain ${request.chainId}`;
  return `quarantined contracts are not filled: correct what \`indexer contracts list\` says of them, or remove them with: ${remove}`;
}

function missingLines({ incomplete, dead, unproved }: BackfillOutcome): string[] {
  return [
    ...incomplete.map(({ kind, address, missing, setAside }) => {
      const ranges = missing.map(({ from, to }) => `${from}-${to}`).join(', ');
      return `missing  ${kindName(kind)} ${address}: ${ranges}${setAside === null ? '' : ` (quarantined: ${setAside})`}`;
    }),
    ...dead.map(({ from, to, reason }) => `gave up  ${from}-${to}: ${reason}`),
    ...unproved.map(({ from, to, reason }) => `unproved ${from}-${to}: ${reason}`),
  ];
}

/** Returns a description of a request: `chain 1, blocks 5 to 9`. */
function nameOf({ chainId, from, to, contracts }: BackfillRequest): string {
  const only = contracts === null ? '' : ` of ${contracts.join(', ')}`;
  return `chain ${chainId}, blocks ${from} to ${to}${only}`;
}

/** Returns the command line that fills what is missing of a request. */
function commandLineOf({ chainId, from, to, contracts }: BackfillRequest, options: GlobalOptions & Given): string {
  const only = (contracts ?? []).map((contract) => ` --contract ${contract}`).join('');
  const config = options.config === undefined ? '' : ` --config ${options.config}`;
  const proved = options.proved ? ' --proved' : '';
  const concurrency = options.concurrency === DEFAULT_CONCURRENCY ? '' : ` --concurrency ${options.concurrency}`;
  return `indexer backfill --chain ${chainId} --from-block ${from} --to-block ${to}${only}${concurrency}${proved}${config}`;
}
