import { type Logger as PinoLogger, pino } from 'pino';
import type { Redact } from './redact.ts';

/** The logger that everything below `main` is handed. */
export type Logger = PinoLogger;

/** Where lines go: standard error in the program. */
export type LineSink = { write(line: string): unknown };

/** Where log lines go, and in which form. */
export type LogOptions = {
  /** A level of pino, or `silent`. */
  readonly level: string;
  readonly redact: Redact;
  readonly sink: LineSink;
  /** One short line for people instead of JSON. */
  readonly pretty: boolean;
};

/** The logger that everything below `main` is handed. Every line is redacted as a whole, so no field can escape it. */
export function createLogger({ level, redact, sink, pretty }: LogOptions): Logger {
  return pino(
    { level, base: null, serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err } },
    { write: (line: string) => sink.write(redact(pretty ? prettyLine(line) : line)) },
  );
}

const LEVEL_NAMES: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};

/** `12:34:56 info  extended chain=1 block=42`, from a line of pino's JSON. */
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
