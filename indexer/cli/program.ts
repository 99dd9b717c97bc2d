import { Command, CommanderError } from 'commander';
import { ConfigError, IndexerError, messageOf, UsageError } from '../kernel/errors.ts';
import { addBackfill } from './backfill.ts';
import { addConfig } from './config.ts';
import { addContracts } from './contracts.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addDigest } from './digest.ts';
import { addDoctor } from './doctor.ts';
import type { Io } from './io.ts';
import { addMigrate } from './migrate.ts';
import { addSnapshot } from './snapshot.ts';
import { addStart } from './start.ts';
import { addStatus } from './status.ts';
import { addUnwind } from './unwind.ts';
import { addVerify } from './verify.ts';
import { addWorker } from './worker.ts';

const EXIT = { success: 0, failure: 1, usage: 2 } as const;
/** An exit code: 0 for success, 1 for failure, 2 for wrong usage. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Builds the command line with all its commands. */
export function buildProgram(io: Io, version: string): Command {
  const program = new Command('indexer')
    .description(
      'Mirrors the contracts of a music platform on EVM chains into PostgreSQL, and can prove that the mirror equals the chain.',
    )
    .version(version)
    .option('--config <file>', 'a TypeScript module that exports defineConfig({…}) (default: config/local.ts)')
    .option('--json', 'print the result as JSON')
    .showHelpAfterError('(add --help to see its options)')
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .addHelpText(
      'after',
      `
Environment:
  DATABASE_URL         postgres://user:password@host:5432/name
  DATABASE_DIRECT_URL  the same database without a pooler (PgBouncer, Neon) in front of it
  RPC_URL_<chainId>    endpoints of a chain to follow, comma-separated: RPC_URL_8453=https://…,wss://…
  QUEUE_URL            redis://…, rediss://… or postgres://… (default: the database)
  HTTP_HOST, HTTP_PORT where /health and /ready are served (default: 127.0.0.1, 8080)
  LOG_LEVEL            fatal, error, warn, info, debug, trace or silent (default: info)
  \`indexer config\` prints all settings in effect and where they come from.

First steps:
  indexer migrate                                                     create the schema
  indexer doctor                                                      try database, queue and endpoints
  indexer contracts add master 0x… --chain 8453 --from-block 21000000 register a contract
  indexer start                                                       follow the chain
  indexer status                                                      show the progress`,
    )
    .exitOverride();
  for (const add of [
    addStart,
    addWorker,
    addBackfill,
    addMigrate,
    addContracts,
    addStatus,
    addUnwind,
    addSnapshot,
    addVerify,
    addDigest,
    addConfig,
    addDoctor,
    addDeadLetters,
  ])
    add(program, io);
  return program;
}

/**
 * Runs a command line. Prints errors, without secrets, to standard error.
 *
 * @param args the arguments without the paths of Node and the script
 * @returns 0 for success, 1 for failure, 2 for wrong usage.
 */
export async function runProgram(program: Command, args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await program.parseAsync(args, { from: 'user' });
    return EXIT.success;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.success : EXIT.usage;
    io.stderr.write(`${io.redact(describeFailure(error))}\n`);
    return error instanceof UsageError ? EXIT.usage : EXIT.failure;
  }
}

/**
 * Returns the message of an error for the user. For an `IndexerError` that is no `ConfigError`, adds the message of its cause if it has
 * one.
 */
function describeFailure(error: unknown): string {
  if (error instanceof ConfigError) return `indexer: ${error.message}`;
  const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : '';
  if (error instanceof IndexerError) return `indexer: ${error.message}${cause}`;
  return `indexer: ${messageOf(error)}`;
}
