import type { Command } from 'commander';
import { buildProgram, type ExitCode, runProgram } from '../../indexer/cli/program.ts';
import { secretsOfEnvironment } from '../../indexer/config/secrets.ts';
import { createRedact } from '../../indexer/observability/redact.ts';

/** The output of a command and its exit code. */
export type CommandResult = { readonly code: ExitCode; readonly out: string; readonly err: string };

/**
 * Runs `indexer ARGS` in this process.
 *
 * @param extend adds commands to the program
 * @param stopAt aborts the command when standard error contains this text
 */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  { extend, stopAt }: { readonly extend?: (program: Command) => void; readonly stopAt?: string } = {},
): Promise<CommandResult> {
  let [out, err] = ['', ''];
  const stop = new AbortController();
  const io = {
    env,
    stdout: { write: (text: string) => (out += text) },
    stderr: {
      write: (text: string) => {
        err += text;
        if (stopAt !== undefined && err.includes(stopAt)) stop.abort();
      },
    },
    redact: createRedact(secretsOfEnvironment(env)),
    signal: stop.signal,
    runtime: { now: () => performance.now(), random: Math.random },
  };
  const program = buildProgram(io, '1.2.3');
  extend?.(program);
  const code = await runProgram(program, args, io);
  return { code, out, err };
}
