import type { Command } from 'commander';
import { chainOf, wholeNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { withSession } from './session.ts';

/** `indexer unwind`: the repair after a reorg that was deeper than the policy allows. */
export function addUnwind(program: Command, io: Io): void {
  program
    .command('unwind')
    .description('take a chain back to a block, as if nothing above it had been seen, and clear a halt')
    .requiredOption('--to-block <n>', 'the newest block to keep', wholeNumber)
    .option('--chain <id>', 'which chain (may be left out when just one is configured)', wholeNumber)
    .addHelpText(
      'after',
      '\nWhere the database does not know the hash of that block, the newest known one below it is kept instead; where it knows\n' +
        'none, the chain is begun anew. A running daemon goes on from there by itself.\n\nExample:\n  indexer unwind --chain 8453 --to-block 21000000',
    )
    .action(async ({ toBlock, chain }: { toBlock: number; chain?: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, {}, async ({ config, database }) => {
        const { newestKnownBlock, unwindTo } = await import('../ingest/unwind-to.ts');
        const chainId = chainOf(chain, config);
        const to = await newestKnownBlock(database, chainId, toBlock);
        const factsRemoved = await unwindTo(database, { chainId, to, reason: 'command' });
        const unwound = { chainId, toBlock: to?.number, factsRemoved };
        const place = to === undefined ? 'begins anew' : `is back at block ${to.number}`;
        printResult(io, options, unwound, [`chain ${chainId} ${place}; ${factsRemoved} facts removed`]);
      });
    });
}
