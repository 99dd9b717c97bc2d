import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { positiveNumber } from './arguments.ts';
import { DEFAULT_CONCURRENCY } from './backfill.ts';
import type { GlobalOptions, Io } from './io.ts';
import { fillingConnections, withSession } from './session.ts';

/** `indexer worker`: works on the queues until it is told to stop. */
export function addWorker(program: Command, io: Io): void {
  program
    .command('worker')
    .description('work the queues until told to stop; any number, on any machine')
    .option(
      '--concurrency <k>',
      'ranges that it works on at a time, for each chain',
      positiveNumber,
      DEFAULT_CONCURRENCY,
    )
    .addHelpText(
      'after',
      '\nWorks on the chains that are configured for it, up to the head. It needs a process that follows the head: `indexer start`, or\n`indexer backfill` while it runs.',
    )
    .action(async ({ concurrency }: { concurrency: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const maxConnections = ({ chains }: Config) => fillingConnections(chains.length, concurrency);
      const session = { needs: ['chains'], maxConnections, limitStatements: true } as const;
      await withSession(io, options, session, async ({ config, database, log }) => {
        const { runWorker } = await import('../roles/worker.ts');
        await runWorker({ config, database, log, concurrency, runtime: io.runtime }, io.signal);
      });
    });
}
