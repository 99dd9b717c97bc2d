import type { Hex } from '../../kernel/chain.ts';

/** The maximum number of bytes that are read of a name or symbol. Their columns hold at most 100 characters of up to 4 bytes each. */
const TEXT_BYTES_MAX = 1024;
const WORD_BYTES = 32;
/** The maximum number of bytes of a URI. A longer URI is refused and not shortened, because a part of it would be another URI. */
export const URI_BYTES_MAX = 65_536;

/**
 * Returns the text in a contract's answer to `name()` or `symbol()`, shortened to the size of its column. The answer may be hostile. It is
 * an ABI-encoded `string`, or a `bytes32` padded with zeros as in early ERC-20 tokens. Returns an empty text if it is neither.
 *
 * An offset beyond the end of the answer gives an empty text, and a length beyond the end is shortened. Characters that PostgreSQL cannot
 * store (NUL, lone surrogates) and control characters are removed. Invalid UTF-8 becomes U+FFFD.
 *
 * @param maxChars the size of the column, in characters as PostgreSQL counts them (code points)
 */
export function textOf(answer: Hex, maxChars: number): string {
  const bytes = Buffer.from(answer.slice(2, 2 + 2 * (2 * WORD_BYTES + TEXT_BYTES_MAX)), 'hex');
  const raw = bytes.length === WORD_BYTES ? bytes : stringBytes(bytes, TEXT_BYTES_MAX);
  return Array.from(legalText(raw)).slice(0, maxChars).join('').trim();
}

/**
 * Returns the URI in a contract's answer to `tokenURI(uint256)`, an ABI-encoded `string`. The answer may be hostile, so its offset, length
 * and characters are treated as in `textOf`. `data:` URIs are returned too.
 *
 * @returns an empty text if there is no URI; undefined if the URI is longer than `URI_BYTES_MAX`
 */
export function uriOf(answer: Hex): string | undefined {
  const bytes = Buffer.from(answer.slice(2, 2 + 2 * (2 * WORD_BYTES + URI_BYTES_MAX + 1)), 'hex');
  const raw = stringBytes(bytes, URI_BYTES_MAX + 1);
  return raw !== undefined && raw.length > URI_BYTES_MAX ? undefined : legalText(raw);
}

function legalText(bytes: Buffer | undefined): string {
  const text = new TextDecoder('utf-8').decode(bytes);
  return text.replace(/[\p{Cc}\p{Cs}]/gu, '').trim();
}

/**
 * Returns the bytes of an ABI-encoded `string`: at most `maxBytes`, and no more than the answer contains. Undefined if the answer is not
 * a `string`.
 */
function stringBytes(bytes: Buffer, maxBytes: number): Buffer | undefined {
  const offset = word(bytes, 0);
  if (offset === undefined || offset < BigInt(WORD_BYTES) || offset > BigInt(bytes.length)) return undefined;
  const length = word(bytes, Number(offset));
  if (length === undefined) return undefined;
  const start = Number(offset) + WORD_BYTES;
  const available = BigInt(Math.min(bytes.length - start, maxBytes));
  return bytes.subarray(start, start + Number(length < available ? length : available));
}

/** Returns the number in an answer to `decimals()`. Undefined if the answer is not a number from 0 to 255. */
export function decimalsOf(answer: Hex): number | undefined {
  const value = word(wordBytes(answer), 0);
  return value !== undefined && value <= 255n ? Number(value) : undefined;
}

/** Returns the ABI-encoded `address` in an answer, in lower case. Undefined if the answer is not an address. */
export function addressOf(answer: Hex): Hex | undefined {
  const value = word(wordBytes(answer), 0);
  return value === undefined || value >> 160n !== 0n ? undefined : `0x${value.toString(16).padStart(40, '0')}`;
}

/** Splits an answer into words of 32 bytes. Undefined if the answer does not have exactly `count` words. */
export function wordsOf(answer: Hex, count: number): readonly bigint[] | undefined {
  if (answer.length !== 2 + 2 * WORD_BYTES * count) return undefined;
  const bytes = Buffer.from(answer.slice(2), 'hex');
  return Array.from({ length: count }, (_, at) => word(bytes, at * WORD_BYTES) ?? 0n);
}

/** Returns the `bool` in an answer. Undefined if the answer is not one word with the value 0 or 1. */
export function flagOf(answer: Hex): boolean | undefined {
  const value = wordsOf(answer, 1)?.[0];
  return value === 0n ? false : value === 1n ? true : undefined;
}

function wordBytes(answer: Hex): Buffer {
  return Buffer.from(answer.slice(2, 2 + 2 * WORD_BYTES), 'hex');
}

function word(bytes: Buffer, at: number): bigint | undefined {
  if (at + WORD_BYTES > bytes.length) return undefined;
  return BigInt(`0x${bytes.subarray(at, at + WORD_BYTES).toString('hex')}`);
}
