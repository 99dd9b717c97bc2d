import { buildProgram, type ExitCode, runProgram } from '../../indexer/cli/program.ts';
import type { Services } from '../../indexer/cli/services.ts';
import { secretsOfEnvironment } from '../../indexer/config/secrets.ts';
import { openDatabase } from '../../indexer/db/database.ts';
import { createRedact } from '../../indexer/observability/redact.ts';

export type Ran = { readonly code: ExitCode; readonly out: string; readonly err: string };

/** Services of which only the database is real; the others fail unless the test gives them. */
function testServices(given: Partial<Services> = {}): Services {
  const missing = (name: string) => () => {
    throw new Error(`the test gives no ${name}`);
  };
  return {
    openDatabase,
    createSource: missing('source'),
    runDaemon: missing('daemon'),
    countJobs: missing('queue'),
    runWorker: missing('worker'),
    runBackfill: missing('backfill'),
    requestBackfill: missing('backfill'),
    unwind: missing('unwind'),
    digest: missing('digest'),
    demo: missing('demo'),
    ...given,
  };
}

/** Runs a command line in this process, as `indexer ARGS` would. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  given: Partial<Services> = {},
): Promise<Ran> {
  let [out, err] = ['', ''];
  const io = {
    env,
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
    redact: createRedact(secretsOfEnvironment(env)),
    signal: new AbortController().signal,
  };
  const code = await runProgram(buildProgram({ io, services: testServices(given) }, '1.2.3'), args, io);
  return { code, out, err };
}
