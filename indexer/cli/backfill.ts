import type { Command } from 'commander';
import { type BackfillRequest, listRequests, type RecordedRequest } from '../backfill/requests.ts';
import type { ChainConfig, Config } from '../config/resolve.ts';
import type { Hex } from '../kernel/chain.ts';
import { IndexerError, UsageError } from '../kernel/errors.ts';
import type { BackfillOutcome } from '../roles/backfill.ts';
import { address, chainOf, positiveNumber, wholeNumber } from './arguments.ts';
import { addBackfillCancel, addBackfillStatus } from './backfill-requests.ts';
import { type GlobalOptions, printResult } from './io.ts';
import { ProgressBar } from './progress-bar.ts';
import { type Cli, fillingConnections, withSession } from './session.ts';

export const DEFAULT_CONCURRENCY = 2;

type Given = {
  readonly fromBlock?: number;
  readonly toBlock?: number;
  readonly chain?: number;
  readonly contract: readonly Hex[];
  readonly concurrency: number;
  readonly detach?: boolean;
};

/** `indexer backfill`: fills history, and `status` and `cancel` of what was asked for. */
export function addBackfill(program: Command, cli: Cli): void {
  const backfill = program
    .command('backfill')
    .description('fill history; safe to repeat, to interrupt and to run beside a daemon')
    .option('--from-block <n>', 'the first block', wholeNumber)
    .option('--to-block <n>', 'the last block (default: the head of when it begins)', wholeNumber)
    .option('--chain <id>', 'which chain (may be left out when just one is configured)', wholeNumber)
    .option('--contract <address>', 'only this contract; may be given several times', listed, [])
    .option('--concurrency <k>', 'ranges that this process works on at a time', positiveNumber, DEFAULT_CONCURRENCY)
    .option('--detach', 'record it and leave it to running daemons and workers')
    .addHelpText(
      'after',
      `
Ends with 0 only when the database proves the range complete for every contract.

Examples:
  indexer backfill --from-block 21000000 --chain 8453
  indexer backfill --from-block 0 --to-block 999999 --contract 0x… --concurrency 4`,
    )
    .action((given: Given, command: Command) => fill(cli, given, command.optsWithGlobals<GlobalOptions>()));
  addBackfillStatus(backfill, cli);
  addBackfillCancel(backfill, cli);
}

function listed(text: string, before: readonly Hex[]): readonly Hex[] {
  return [...before, address(text)];
}

async function fill(cli: Cli, given: Given, options: GlobalOptions): Promise<void> {
  const { fromBlock: from } = given;
  if (from === undefined) throw new UsageError('from which block on? Name it: --from-block N');
  const bar = new ProgressBar(cli.io.stderr);
  const beside = { ...cli, io: { ...cli.io, stderr: bar.beside } };
  const needs = { needs: ['chains'], maxConnections: fillingConnections(1, given.concurrency), daemon: true } as const;
  await withSession(beside, options, needs, async ({ config, database, log }) => {
    const input = {
      ...{ config, database, log, from, to: given.toBlock, concurrency: given.concurrency },
      chain: configured(config, chainOf(given.chain, config)),
      contracts: given.contract.length === 0 ? null : given.contract,
    };
    if (given.detach) {
      const request = await cli.services.requestBackfill(input, cli.io.signal);
      printResult(cli.io, options, { request }, [
        `recorded ${request.id}: ${nameOf(request)}`,
        'it is filled while `indexer start` runs, with the help of any `indexer worker`; see `indexer backfill status`',
      ]);
      return;
    }
    const outcome = await cli.services.runBackfill(input, (progress) => bar.show(progress), cli.io.signal);
    bar.end();
    await report(beside, { ...options, ...given }, outcome, await othersOf(database.kysely, outcome));
  });
}

async function othersOf(db: Parameters<typeof listRequests>[0], { ended, request }: BackfillOutcome) {
  if (ended !== 'cancelled') return [];
  return listRequests(db, { onlyRunning: true, chainId: request.chainId });
}

/** Says how it ended; anything but complete is a failure. */
async function report(
  { io }: Cli,
  options: GlobalOptions & Given,
  outcome: BackfillOutcome,
  others: readonly RecordedRequest[],
): Promise<void> {
  const { request, ended, events } = outcome;
  const lines = [
    ...(ended === 'complete' ? [`complete: ${nameOf(request)}; ${events} events written here`] : missingLines(outcome)),
    ...others.map((other) => `still runs  ${other.id}: ${nameOf(other)}`),
  ];
  if (outcome.indexesLeft > 0) {
    lines.push(
      `${outcome.indexesLeft} indexes are not built yet: a running daemon does it, or the next \`indexer backfill\``,
    );
  }
  printResult(io, options, { ...outcome, others }, lines);
  switch (ended) {
    case 'complete':
      return;
    case 'incomplete':
      throw new IndexerError(
        `${nameOf(request)} is not complete; try what is missing again with: ${again(request, options)}`,
      );
    case 'halted':
      throw new IndexerError(`${nameOf(request)} is not complete, and the chain is halted: ${outcome.reason}`);
    case 'cancelled':
      throw new IndexerError(`${nameOf(request)} was cancelled by \`indexer backfill cancel\``);
    case 'stopped':
      throw new IndexerError(`stopped; what was written stays. To go on: ${again(request, options)}`);
  }
}

function missingLines({ incomplete, dead }: BackfillOutcome): string[] {
  return [
    ...incomplete.map(({ kind, address, missing, setAside }) => {
      const ranges = missing.map(({ from, to }) => `${from}-${to}`).join(', ');
      return `missing  ${kind.replace('_', '-')} ${address}: ${ranges}${setAside === null ? '' : ` (set aside: ${setAside})`}`;
    }),
    ...dead.map(({ from, to, reason }) => `gave up  ${from}-${to}: ${reason}`),
  ];
}

function configured({ chains }: Config, chainId: number): ChainConfig {
  const chain = chains.find((candidate) => candidate.chainId === chainId);
  if (chain === undefined) throw new UsageError(`chain ${chainId} is not configured: set RPC_URL_${chainId}`);
  return chain;
}

/** `chain 1, blocks 5 to 9`. */
function nameOf({ chainId, from, to, contracts }: BackfillRequest): string {
  const only = contracts === null ? '' : ` of ${contracts.join(', ')}`;
  return `chain ${chainId}, blocks ${from} to ${to}${only}`;
}

/** The command line that goes on with a request. */
function again({ chainId, from, to, contracts }: BackfillRequest, options: GlobalOptions & Given): string {
  const only = (contracts ?? []).map((contract) => ` --contract ${contract}`).join('');
  const config = options.config === undefined ? '' : ` --config ${options.config}`;
  const concurrency = options.concurrency === DEFAULT_CONCURRENCY ? '' : ` --concurrency ${options.concurrency}`;
  return `indexer backfill --chain ${chainId} --from-block ${from} --to-block ${to}${only}${concurrency}${config}`;
}
