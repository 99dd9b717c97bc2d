import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { Config } from '../config/resolve.ts';
import { IndexerError } from '../kernel/errors.ts';
import { address, blockNumber, chainOf, configuredChain, positiveNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { openSource } from './open-source.ts';
import { withSession } from './session.ts';

type Given = { contract: ReturnType<typeof address>; block: number; reason: string; chain?: number };

const REASON = /^[a-z][a-z0-9_-]{0,49}$/;
/** The reasons of snapshots that are taken without a request. The command refuses them. */
const DERIVED_REASONS: readonly string[] = ['dividend', 'daily'];

/** `indexer snapshot`: records who owned the tokens of a master at the end of a block. */
export function addSnapshot(program: Command, io: Io): void {
  program
    .command('snapshot')
    .description(
      'record in nft_ownership_snapshots who owned the tokens of a master at the end of a block. It is safe to repeat',
    )
    .requiredOption('--contract <address>', 'the master contract', address)
    .requiredOption('--block <n>', 'the block, up to which the contract must be complete', blockNumber)
    .option('--reason <word>', 'the reason to write into the rows', reasonOf, 'airdrop')
    .option('--chain <id>', 'its chain (default: the only one that is configured)', positiveNumber)
    .addHelpText(
      'after',
      '\nThe request is kept, so that the snapshot is taken again if a reorg or a repair changes the owners.\n\n' +
        'Example:\n  indexer snapshot --contract 0x… --block 21000000 --reason airdrop',
    )
    .action(async ({ contract, block, reason, chain }: Given, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const prepare = (config: Config) => configuredChain(chainOf(chain, config), config);
      await withSession(io, options, { prepare }, async ({ database, log, prepared: settings }) => {
        const { requestSnapshot } = await import('../stages/request-snapshot.ts');
        const { chainId } = settings;
        const source = await openSource(settings, { database, log }, io.runtime);
        const header = await source.header(block, io.signal).finally(() => source.close());
        if (header === undefined) throw new IndexerError(`chain ${chainId} has no block ${block}: choose a past block`);
        const request = { chainId, contract, block, reason };
        const taken = await requestSnapshot(database, request, header.timestamp);
        const line = taken.pending
          ? 'requested; it is taken when `indexer start` has derived the state of that block'
          : `${taken.rows} rows written`;
        printResult(io, options, { snapshot: { ...request, ...taken } }, [
          `snapshot of ${contract} at block ${block} (${reason}): ${line}`,
        ]);
      });
    });
}

function reasonOf(text: string): string {
  if (!REASON.test(text))
    throw new InvalidArgumentError('It must be a word of up to 50 lower-case letters, digits, _ and -.');
  if (DERIVED_REASONS.includes(text))
    throw new InvalidArgumentError(`Snapshots of reason ${text} are taken without a request.`);
  return text;
}
