import type { Command } from 'commander';
import { type GlobalOptions, type Io, printResult, table } from './io.ts';
import { withSession } from './session.ts';

/** `indexer digest`: prints a digest of each table, which is equal in two databases if their content is equal. */
export function addDigest(program: Command, io: Io): void {
  program
    .command('digest')
    .description('print a digest of each table, which is equal in databases with equal content')
    .option('--table <name...>', 'only these tables')
    .addHelpText('after', '\nExample:\n  indexer digest --json --table nft_transfers master_nfts')
    .action(async (given: { table?: string[] }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const prepare = async () => {
        const { refuseUnknownTables } = await import('../verify/digest.ts');
        refuseUnknownTables(given.table ?? []);
      };
      await withSession(io, options, { prepare }, async ({ database }) => {
        const { digest: digestOf } = await import('../verify/digest.ts');
        const digest = await digestOf(database, given.table);
        const rows = Object.entries(digest.tables).map(([name, held]) => [name, String(held.rows), held.digest]);
        printResult(io, options, digest, table([['TABLE', 'ROWS', 'DIGEST'], ...rows]));
      });
    });
}
