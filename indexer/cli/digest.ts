import type { Command } from 'commander';
import { type GlobalOptions, printResult, table } from './io.ts';
import { type Cli, withSession } from './session.ts';

/** `indexer digest`: proves that two databases hold the same. */
export function addDigest(program: Command, cli: Cli): void {
  program
    .command('digest')
    .description('a digest of each table, equal for equal content, whatever the route to it')
    .option('--table <name...>', 'only these tables')
    .addHelpText('after', '\nExample:\n  indexer digest --json --table nft_transfers master_nfts')
    .action(async (given: { table?: string[] }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(cli, options, {}, async ({ database }) => {
        const digest = await cli.services.digest(database, given.table);
        const rows = Object.entries(digest.tables).map(([name, held]) => [name, String(held.rows), held.digest]);
        printResult(cli.io, options, digest, table([['TABLE', 'ROWS', 'DIGEST'], ...rows]));
      });
    });
}
