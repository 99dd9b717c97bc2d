import type { Environment } from '../config/option-reader.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Redact } from '../observability/redact.ts';

/** A stream to write to. `columns` is the width of the terminal. */
export type Output = {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
};

/** The environment, streams and signal of the process. Only `main` and tests construct it. */
export type Io = {
  readonly env: Environment;
  /** Results. */
  readonly stdout: Output;
  /** Logs, progress and errors. */
  readonly stderr: Output;
  readonly redact: Redact;
  /** Aborts when the process is told to stop. */
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
};

/** The options that every command takes. */
export type GlobalOptions = { readonly config?: string; readonly json?: boolean };

/** Prints a command's result: as JSON with `--json`, otherwise as lines for people. */
export function printResult(io: Io, options: GlobalOptions, result: unknown, lines: readonly string[]): void {
  if (options.json) io.stdout.write(`${JSON.stringify(result, undefined, io.stdout.isTTY ? 2 : undefined)}\n`);
  else if (lines.length > 0) io.stdout.write(`${lines.join('\n')}\n`);
}

/** Formats a table with aligned columns. The first row is its header. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
