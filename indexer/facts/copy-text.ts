import type { Hex } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';

/** How PostgreSQL's COPY text format writes null. */
export const NULL_TEXT = '\\N';

/** The last second that both a `Date` and a `timestamptz` can hold (the year 275760). */
const TIMESTAMP_MAX = 8_640_000_000_000;

/** The characters that COPY's text format gives a meaning to. */
const MEANINGFUL = /[\\\b\f\n\r\t\v]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** A text column's value; NUL, which no text may hold, and unpaired surrogates become U+FFFD. */
export function copyText(value: string): string {
  return legalText(value).replace(MEANINGFUL, (character) => ESCAPES[character] ?? character);
}

/** A `text[]` column's value; hex needs no quotes in an array literal. */
export function copyHexArray(values: readonly Hex[]): string {
  return `{${values.join(',')}}`;
}

/** A `jsonb` column's value; strings in it become legal as in `copyText`. */
export function copyJson(value: Readonly<Record<string, string | boolean>>): string {
  const json = JSON.stringify(value);
  // JSON escapes every control character: without a backslash there is nothing that COPY or jsonb could mind.
  if (!json.includes('\\')) return json;
  return copyText(JSON.stringify(value, (_key, part) => (typeof part === 'string' ? legalText(part) : part)));
}

/**
 * A `timestamptz` column's value.
 *
 * @param timestamp Unix seconds
 * @throws RpcInconsistency when no date is so late
 */
export function copyTimestamp(timestamp: number): string {
  if (!(timestamp >= 0 && timestamp <= TIMESTAMP_MAX)) {
    throw new RpcInconsistency('the timestamp of a block is no date', { context: { timestamp } });
  }
  // ECMAScript writes years after 9999 as +012345, PostgreSQL reads them as 12345.
  return new Date(timestamp * 1000).toISOString().replace(/^\+0?/, '');
}

function legalText(value: string): string {
  return value.replaceAll('\0', '\ufffd').toWellFormed();
}
