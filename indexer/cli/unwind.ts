import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { UsageError } from '../kernel/errors.ts';
import type { ChainState } from '../progress/chains.ts';
import { blockNumber, chainOf, positiveNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { withSession } from './session.ts';

/** `indexer unwind`: unwinds a chain to a block, as is needed after a reorg that is too deep for the follower to unwind it. */
export function addUnwind(program: Command, io: Io): void {
  program
    .command('unwind')
    .description('remove everything that comes from blocks of a chain above a block, and clear a halt')
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
        const [{ newestKnownBlock }, { unwindTo }, { findChain }] = await Promise.all([
          import('../protocols/known-blocks.ts'),
          import('../ingest/unwind-to.ts'),
          import('../progress/chains.ts'),
        ]);
        const state = await findChain(database.kysely, chainId);
        if (state?.head === undefined) throw new UsageError(`chain ${chainId} has no block that could be unwound`);
        const { head } = state;
        if (toBlock > head.number)
          throw new UsageError(`block ${toBlock} is not below the head of chain ${chainId}, which is ${head.number}`);
        const to = toBlock === head.number ? head : await newestKnownBlock(database.kysely, chainId, toBlock);
        const factsRemoved = await unwindTo(database, { chainId, to, reason: 'command' });
        const result = { chainId, toBlock: to?.number, factsRemoved };
        printResult(io, options, result, [lineOf({ ...result, asked: toBlock, state })]);
      });
    });
}

type Unwound = {
  readonly chainId: number;
  readonly asked: number;
  readonly toBlock: number | undefined;
  readonly factsRemoved: number;
  /** The state of the chain before the unwind. */
  readonly state: ChainState;
};

/** Describes at which block the chain is now. If this is not the block that was asked for, says why. */
function lineOf({ chainId, asked, toBlock, factsRemoved, state }: Unwound): string {
  if (asked === state.head?.number) {
    const halt = state.halted === undefined ? '' : '; its halt is cleared';
    return `nothing was unwound: block ${asked} is the head of chain ${chainId}${halt}`;
  }
  const removed = `; ${factsRemoved} facts removed`;
  if (toBlock === asked) return `chain ${chainId} is back at block ${asked}${removed}`;
  if (toBlock === undefined)
    return `neither block ${asked} nor one below it has a known hash: chain ${chainId} starts from the beginning${removed}`;
  return `block ${asked} has no known hash: chain ${chainId} went back to block ${toBlock}, the nearest below with one${removed}`;
}
