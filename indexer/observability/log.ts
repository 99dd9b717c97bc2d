import { type Logger as PinoLogger, pino } from 'pino';
import { ConfigError, RpcError } from '../kernel/errors.ts';
import type { Redact } from './redact.ts';

/** The program's logger. Code that logs receives it as a parameter. */
export type Logger = PinoLogger;

/** The destination of log lines. It is standard error, except in tests. */
export type LineSink = { write(line: string): unknown };

/** The level, destination and form of log lines. */
export type LogOptions = {
  /** One of pino's levels, or `silent`. */
  readonly level: string;
  readonly redact: Redact;
  readonly sink: LineSink;
  /** Whether to write short lines for people instead of JSON. */
  readonly pretty: boolean;
};

/** Creates the logger of the program. It redacts each line as a whole, so that secrets are removed from every field. */
export function createLogger({ level, redact, sink, pretty }: LogOptions): Logger {
  return pino(
    { level, base: null, serializers: { err: serializeError, error: serializeError } },
    { write: (line: string) => sink.write(redact(pretty ? prettyLine(line) : line)) },
  );
}

/**
 * Serializes an error. Omits the stack trace of configuration and RPC errors, because their messages say what to do. Omits the client that
 * pg adds to the error of a lost connection, because it holds the texts of all statements, and a key that cancels them.
 */
function serializeError(error: Error): object {
  const { stack, client: _, ...rest } = pino.stdSerializers.err(error);
  return error instanceof ConfigError || error instanceof RpcError ? rest : { ...rest, stack };
}

const LEVEL_NAMES: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};

/** Formats a line of pino's JSON as `12:34:56 info  committed chain=1 from=42`. */
function prettyLine(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = new Date(Number(time)).toISOString().slice(11, 19);
  const name = (LEVEL_NAMES[Number(level)] ?? String(level)).padEnd(5);
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${prettyValue(value)}`);
  return `${clock} ${name} ${msg ?? ''}${rest.join('')}\n`;
}

function prettyValue(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { message } = value as { message?: unknown };
  return typeof message === 'string' ? JSON.stringify(message) : JSON.stringify(value);
}
