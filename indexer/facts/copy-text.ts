import type { Hex } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';

/** Null in PostgreSQL's COPY text format. */
export const NULL_TEXT = '\\N';

/** The last second that both a `Date` and a `timestamptz` can hold (the year 275760). */
const TIMESTAMP_MAX = 8_640_000_000_000;

/** The characters with a special meaning in COPY's text format. */
const SPECIAL_CHARACTERS = /[\\\b\f\n\r\t\v]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** Encodes a text for a `text` column in COPY's text format. PostgreSQL cannot store NUL and unpaired surrogates, so they become U+FFFD. */
export function copyText(value: string): string {
  return storableText(value).replace(SPECIAL_CHARACTERS, (character) => ESCAPES[character] ?? character);
}

/** Parses lines of COPY's text format and returns their values. Each line must end with a newline. A null value stays null. */
export function copyValues(text: Buffer): readonly (readonly (string | null)[])[] {
  if (text.length === 0) return [];
  return text
    .toString('utf8', 0, text.length - 1)
    .split('\n')
    .map((line) => line.split('\t').map((value) => (value === NULL_TEXT ? null : unescaped(value))));
}

const UNESCAPED = new Map(Object.entries(ESCAPES).map(([character, sequence]) => [sequence, character]));

function unescaped(value: string): string {
  return value.includes('\\') ? value.replace(/\\./g, (sequence) => UNESCAPED.get(sequence) ?? sequence) : value;
}

/** Encodes hexadecimal values for a `text[]` column in COPY's text format. They need no quotes in an array literal. */
export function copyHexArray(values: readonly Hex[]): string {
  return `{${values.join(',')}}`;
}

/** Encodes an object for a `jsonb` column in COPY's text format. NUL and unpaired surrogates in its strings become U+FFFD. */
export function copyJson(value: Readonly<Record<string, string | boolean>>): string {
  const json = JSON.stringify(value);
  // JSON escapes every control character, so text without a backslash needs no change for COPY or jsonb.
  if (!json.includes('\\')) return json;
  return copyText(JSON.stringify(value, (_key, part) => (typeof part === 'string' ? storableText(part) : part)));
}

/**
 * Encodes a time for a `timestamptz` column in COPY's text format.
 *
 * @param timestamp Unix seconds
 * @throws {RpcInconsistency} if the timestamp is negative or later than the year 275760
 */
export function copyTimestamp(timestamp: number): string {
  if (!(timestamp >= 0 && timestamp <= TIMESTAMP_MAX)) {
    throw new RpcInconsistency('the timestamp of a block is out of range', { context: { timestamp } });
  }
  // ECMAScript writes years after 9999 as +012345. PostgreSQL expects 12345.
  return new Date(timestamp * 1000).toISOString().replace(/^\+0?/, '');
}

function storableText(value: string): string {
  return value.replaceAll('\0', '\ufffd').toWellFormed();
}
