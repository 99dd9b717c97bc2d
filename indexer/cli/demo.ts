import type { Command } from 'commander';
import { IndexerError } from '../kernel/errors.ts';
import { wholeNumber } from './arguments.ts';
import type { GlobalOptions } from './io.ts';
import type { Cli } from './session.ts';

/** `indexer demo`: everything embedded, nothing to set up. */
export function addDemo(program: Command, cli: Cli): void {
  program
    .command('demo')
    .description('PostgreSQL, a local chain, real contracts and traffic, all embedded, with the indexer over them')
    .option(
      '--seconds <n>',
      'end after so long with a comparison of database and chain (exit code 1 on any difference)',
      wholeNumber,
    )
    .option('--seed <n>', 'what happens on the chain (default: drawn, and shown)', wholeNumber)
    .addHelpText(
      'after',
      `
Draws in place on a terminal, prints a line per second elsewhere and a JSON object per second with --json.
Ctrl-C ends it and leaves nothing behind.`,
    )
    .action(async ({ seconds, seed }: { seconds?: number; seed?: number }, command: Command) => {
      const { json = false } = command.optsWithGlobals<GlobalOptions>();
      const equal = await cli.services.demo({ seconds, seed, json }, cli.io.stdout, cli.io.signal);
      if (!equal) throw new IndexerError('the database differs from the chain');
    });
}
