import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { portNumber, positiveNumber } from './arguments.ts';
import { DEFAULT_CONCURRENCY } from './backfill.ts';
import type { GlobalOptions, Io } from './io.ts';
import { fillingConnections, withSession, withTracing } from './session.ts';

/** `indexer worker`: fills history from the queues until the process gets a stop signal. */
export function addWorker(program: Command, io: Io): void {
  program
    .command('worker')
    .description('fill history from the queues until SIGTERM or Ctrl-C; any number of workers may run, on any machine')
    .option(
      '--concurrency <k>',
      'number of ranges that it fills at the same time, for each chain',
      positiveNumber,
      DEFAULT_CONCURRENCY,
    )
    .option('--http-port <port>', 'serve /health and /metrics on this port of HTTP_HOST; default: no HTTP', portNumber)
    .addHelpText(
      'after',
      '\nFills the configured chains up to the head. Another process must follow the head: `indexer start` or a running\n`indexer backfill`.',
    )
    .action(async ({ concurrency, httpPort }: { concurrency: number; httpPort?: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const maxConnections = ({ chains }: Config) => fillingConnections(chains.length, concurrency);
      const { Measures } = await import('../observability/measures.ts');
      const measures = new Measures();
      const onStatement = (seconds: number) => measures.queried(seconds);
      const session = { needs: ['chains'], maxConnections, limitStatements: true, onStatement } as const;
      await withSession(io, options, session, async ({ config, database, log }) => {
        const { runWorker } = await import('../roles/worker.ts');
        const worker = { config, database, log, measures, concurrency, httpPort, runtime: io.runtime };
        await withTracing(config, program.version() ?? '', (tracing) => runWorker({ ...worker, tracing }, io.signal));
      });
    });
}
