import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildProgram, runProgram } from './cli/program.ts';
import type { Services } from './cli/services.ts';
import { secretsOfEnvironment } from './config/secrets.ts';
import { openDatabase } from './db/database.ts';
import { IndexerError } from './kernel/errors.ts';
import { createRedact } from './observability/redact.ts';

/** How long after the first signal the process ends by force (SIGTERM means stopped within 15 s). */
const STOP_DEADLINE_MS = 12_000;

/** Loaded when a command asks for them, so that `--help` waits for no library and only the demo needs what the demo needs. */
const services: Services = {
  openDatabase,
  async createSource(chain) {
    const { createSource } = await import('./source/source.ts');
    return createSource(chain);
  },
  async runDaemon(input, signal) {
    const { runDaemon } = await import('./roles/daemon.ts');
    await runDaemon(input, signal);
  },
  async countJobs(input, chainId, signal) {
    const { countJobs } = await import('./roles/backfill.ts');
    return countJobs(input, chainId, signal);
  },
  async runWorker(input, signal) {
    const { runWorker } = await import('./roles/backfill.ts');
    await runWorker(input, signal);
  },
  async runBackfill(input, onProgress, signal) {
    const { runBackfill } = await import('./roles/backfill.ts');
    return runBackfill(input, onProgress, signal);
  },
  async requestBackfill(input, signal) {
    const { requestBackfill } = await import('./roles/backfill.ts');
    return requestBackfill(input, signal);
  },
  async unwind(database, chainId, toBlock) {
    const { newestKnownBlock, unwindTo } = await import('./ingest/unwind-to.ts');
    const to = await newestKnownBlock(database, chainId, toBlock);
    return { chainId, toBlock: to?.number, factsRemoved: await unwindTo(database, { chainId, to, reason: 'command' }) };
  },
  async digest(database, tables) {
    const { digest } = await import('./verify/digest.ts');
    return digest(database, tables);
  },
  demo: async (input, screen, signal) => {
    // Late, because it needs packages that only a checkout has.
    const { runDemo } = await import('../demo/demo.ts').catch((cause: unknown) => {
      throw new IndexerError('the demo needs a checkout with its development packages (npm install)', { cause });
    });
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const program = fileURLToPath(new URL(`./bin.${extension}`, import.meta.url));
    return runDemo({ ...input, program }, screen, signal);
  },
};

/** A terminal and the tools between it and us may each deliver the same Ctrl-C: signals this close together are one. */
const SAME_SIGNAL_MS = 500;

/** The first signal asks everything to stop, the second does not ask. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        if (performance.now() - first > SAME_SIGNAL_MS) process.exit(1);
        return;
      }
      first = performance.now();
      controller.abort();
      setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
    });
  }
  return controller.signal;
}

/** Of the package, which is one folder up from `indexer/` and two from `dist/indexer/`. */
function version(): string {
  const up = import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json';
  return JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')).version;
}

// Whoever reads the output may leave early (`indexer … | head`), which is no failure.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const io = {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  redact: createRedact(secretsOfEnvironment(process.env)),
  signal: stopSignal(),
};

const exitCode = await runProgram(buildProgram({ io, services }, version()), process.argv.slice(2), io);
// Set, not called: what was written to a pipe still has to leave.
process.exitCode = exitCode;
