import type { Command } from 'commander';
import type { ChainConfig, Config } from '../config/resolve.ts';
import type { Hex } from '../kernel/chain.ts';
import { IndexerError, UsageError } from '../kernel/errors.ts';
import type { Difference, Report } from '../verify/difference.ts';
import type { VerifyResult } from '../verify/verify.ts';
import { address, blockNumber, chainOf, configuredChain, positiveNumber, wholeNumber } from './arguments.ts';
import type { GlobalOptions, Io } from './io.ts';
import { openSource } from './open-source.ts';
import { withSession } from './session.ts';

type Options = {
  readonly sample?: number;
  readonly all?: boolean;
  readonly seed?: number;
  readonly block?: number;
  readonly chain?: number;
  readonly contract?: Hex[];
  readonly repair?: boolean;
};

/** `indexer verify`: compares the mirror with the chain and with itself, and prints every difference. */
export function addVerify(program: Command, io: Io): void {
  program
    .command('verify')
    .description('compare the mirror with the chain and with itself, and print every difference')
    .option(
      '--sample <k>',
      'compare this many answers of each view function, and this many blocks (default: 200)',
      positiveNumber,
    )
    .option('--all', 'compare all answers of every view function')
    .option('--seed <n>', 'compare the same sample as an earlier run: the seed that it printed', wholeNumber)
    .option('--block <n>', 'as of this block (default: the newest finalized one whose state is served)', blockNumber)
    .option('--chain <id>', 'the chain (default: the only one that is configured)', positiveNumber)
    .option('--contract <address...>', 'only these contracts', (text: string, given: Hex[] = []) => [
      ...given,
      address(text),
    ])
    .option(
      '--repair',
      'read again the blocks that differ from the chain, and derive again the state that differs from the facts',
    )
    .addHelpText(
      'after',
      `
Exits with 0 if there are no differences, or if --repair removed all of them; otherwise with 1. With --json each difference is one line.

Examples:
  indexer verify
  indexer verify --all --contract 0x5f… --json
  indexer verify --all --repair`,
    )
    .action(async (given: Options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const prepare = (config: Config) => checkOptions(given, config);
      await withSession(io, options, { prepare }, async ({ database, log, prepared: { chainId, chain } }) => {
        const { SAMPLE_SIZE, SEED_LIMIT, verifyChain } = await import('../verify/verify.ts');
        const { describeDifference } = await import('../verify/difference.ts');
        const source = chain && (await openSource(chain, { database, log }, io.runtime));
        try {
          await source?.checkChainId(io.signal);
          const seed = given.seed ?? Math.floor(io.runtime.random() * SEED_LIMIT);
          const sample = given.all ? undefined : (given.sample ?? SAMPLE_SIZE);
          const { block, contract: contracts, repair: repairs = false } = given;
          const input = {
            database,
            source,
            log,
            runtime: io.runtime,
            chainId,
            contracts,
            sample,
            seed,
            block,
            repairs,
            checksCoverage: true,
          };
          const result = await verifyChain(input, reportTo(io, options, describeDifference), io.signal);
          print(io, options, { type: 'result', ...result }, describeResult(result));
          if (result.left > 0) throw new IndexerError(`${result.left} differences`);
        } finally {
          await source?.close();
        }
      });
    });
}

/** Throws `UsageError` for options that contradict each other or the configuration. */
function checkOptions(
  { sample, all, chain, repair }: Options,
  config: Config,
): { readonly chainId: number; readonly chain: ChainConfig | undefined } {
  if (all && sample !== undefined) throw new UsageError('--all and --sample exclude each other');
  const chainId = chainOf(chain, config);
  if (repair) return { chainId, chain: configuredChain(chainId, config) };
  return { chainId, chain: config.chains.find((candidate) => candidate.chainId === chainId) };
}

function reportTo(io: Io, options: GlobalOptions, describe: (difference: Difference) => string): Report {
  return {
    difference: (difference) => print(io, options, { type: 'difference', ...difference }, describe(difference)),
    note: (note) => print(io, options, { type: 'note', note: io.redact(note) }, `note: ${io.redact(note)}`),
  };
}

/** Prints one line immediately instead of at the end, because a verification may take minutes. */
function print(io: Io, { json }: GlobalOptions, value: unknown, line: string): void {
  io.stdout.write(`${json ? JSON.stringify(value) : line}\n`);
}

function describeResult({ chainId, block, ...result }: VerifyResult): string {
  const { contracts, answers, blocks, differences, left, factsRepaired, seed } = result;
  const place = block === null ? `chain ${chainId}, without asking it` : `chain ${chainId} at block ${block}`;
  const compared = `${contracts} contracts, ${answers} answers and the receipts of ${blocks} blocks compared`;
  const repaired = differences === left ? '' : `, ${left} left after repairs (${factsRepaired} facts changed)`;
  return `${place}: ${compared} (seed ${seed}); ${differences} differences${repaired}`;
}
