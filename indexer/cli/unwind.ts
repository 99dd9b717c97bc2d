import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { blockNumber, chainOf, positiveNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { withSession } from './session.ts';

/** `indexer unwind`: repairs a chain after a reorg that is too deep to be unwound automatically. */
export function addUnwind(program: Command, io: Io): void {
  program
    .command('unwind')
    .description('unwind a chain to a block, as if nothing above it had been seen, and clear a halt')
    .requiredOption('--to-block <n>', 'the newest block to keep', blockNumber)
    .option('--chain <id>', 'the chain (default: the only one that is configured)', positiveNumber)
    .addHelpText(
      'after',
      '\nIf the database does not know the hash of that block, the newest known block below it is kept instead. If it knows none,\n' +
        'the chain starts from the beginning. A running daemon continues from there by itself.\n\nExample:\n  indexer unwind --chain 8453 --to-block 21000000',
    )
    .action(async ({ toBlock, chain }: { toBlock: number; chain?: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const prepare = (config: Config) => chainOf(chain, config);
      await withSession(io, options, { prepare }, async ({ database, prepared: chainId }) => {
        const [{ newestKnownBlock }, { unwindTo }] = await Promise.all([
          import('../protocols/known-blocks.ts'),
          import('../ingest/unwind-to.ts'),
        ]);
        const to = await newestKnownBlock(database.kysely, chainId, toBlock);
        const factsRemoved = await unwindTo(database, { chainId, to, reason: 'command' });
        const unwound = { chainId, toBlock: to?.number, factsRemoved };
        const place = to === undefined ? 'starts from the beginning' : `is back at block ${to.number}`;
        printResult(io, options, unwound, [`chain ${chainId} ${place}; ${factsRemoved} facts removed`]);
      });
    });
}
