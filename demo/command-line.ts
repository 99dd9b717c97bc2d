import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { messageOf } from '../indexer/kernel/errors.ts';
import type { DemoOptions } from './demo.ts';

/** The function that runs the demo, and the stream for errors. */
export type DemoProcess = {
  readonly stderr: { write(text: string): unknown };
  /** Returns whether the database equalled the chain. */
  run(options: Omit<DemoOptions, 'program'>): Promise<boolean>;
};

/** Runs the demo's command line. Returns the exit code: 0 for success, 1 for failure, 2 for wrong usage. */
export async function runCommandLine(args: readonly string[], { stderr, run }: DemoProcess): Promise<number> {
  const command = new Command('demo')
    .description('PostgreSQL, a local chain, real contracts and traffic, all embedded, with the indexer over them')
    .option(
      '--seconds <n>',
      'stop after n seconds and compare the database with the chain (exit code 1 on any difference)',
      wholeNumber,
    )
    .option('--seed <n>', 'seed of the traffic on the chain (default: random, and shown)', wholeNumber)
    .option('--json', 'print a JSON object per second', false)
    .addHelpText(
      'after',
      `
Redraws in place on a terminal, prints a line per second elsewhere and a JSON object per second with --json.
Ctrl-C ends the demo and leaves nothing behind.`,
    )
    .exitOverride();
  try {
    const { seconds, seed, json } = command
      .parse(args, { from: 'user' })
      .opts<{ seconds?: number; seed?: number; json: boolean }>();
    if (await run({ seconds, seed, json })) return 0;
    stderr.write('demo: the database differs from the chain\n');
    return 1;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    stderr.write(`demo: ${messageOf(error)}\n`);
    return 1;
  }
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError('Expected a whole number.');
  return number;
}
