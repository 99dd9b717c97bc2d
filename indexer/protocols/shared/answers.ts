import type { Hex } from '../../kernel/chain.ts';

/** More bytes of a text than this are never looked at: the columns hold 100 characters of at most 4 bytes. */
const TEXT_BYTES_MAX = 1024;
const WORD_BYTES = 32;

/**
 * The text in a hostile contract's answer to `name()` or `symbol()`: a `string` as the ABI encodes it, or a `bytes32` padded with
 * zeros (as the first ERC-20 tokens have it); whatever is legal of it, cut to the column. Empty where there is nothing.
 *
 * Offset and length are believed only as far as the answer goes. What PostgreSQL cannot store (NUL, lone surrogates) and
 * what no one can read (control characters) goes; invalid UTF-8 becomes U+FFFD.
 *
 * @param maxChars size of the column, in characters as PostgreSQL counts them (code points)
 */
export function textOf(answer: Hex, maxChars: number): string {
  const bytes = Buffer.from(answer.slice(2, 2 + 2 * (2 * WORD_BYTES + TEXT_BYTES_MAX)), 'hex');
  const raw = bytes.length === WORD_BYTES ? bytes : stringBytes(bytes);
  const text = new TextDecoder('utf-8').decode(raw);
  const legal = text.replace(/[\p{Cc}\p{Cs}]/gu, '').trim();
  return Array.from(legal).slice(0, maxChars).join('').trim();
}

/** The bytes of an ABI-encoded `string`, cut to what is there; undefined where the answer is no such thing. */
function stringBytes(bytes: Buffer): Buffer | undefined {
  const offset = word(bytes, 0);
  if (offset === undefined || offset < BigInt(WORD_BYTES) || offset > BigInt(bytes.length)) return undefined;
  const length = word(bytes, Number(offset));
  if (length === undefined) return undefined;
  const start = Number(offset) + WORD_BYTES;
  const available = BigInt(Math.min(bytes.length - start, TEXT_BYTES_MAX));
  return bytes.subarray(start, start + Number(length < available ? length : available));
}

/** `decimals()`: 0 to 255; undefined where the answer is no such number. */
export function decimalsOf(answer: Hex): number | undefined {
  const value = word(wordBytes(answer), 0);
  return value !== undefined && value <= 255n ? Number(value) : undefined;
}

/** An `address` in lower case; undefined where the answer is none. */
export function addressOf(answer: Hex): Hex | undefined {
  const value = word(wordBytes(answer), 0);
  return value === undefined || value >> 160n !== 0n ? undefined : `0x${value.toString(16).padStart(40, '0')}`;
}

/** Whether the answer has at least so many words of 32 bytes. */
export function hasWords(answer: Hex, count: number): boolean {
  return answer.length >= 2 + 2 * WORD_BYTES * count;
}

function wordBytes(answer: Hex): Buffer {
  return Buffer.from(answer.slice(2, 2 + 2 * WORD_BYTES), 'hex');
}

function word(bytes: Buffer, at: number): bigint | undefined {
  if (at + WORD_BYTES > bytes.length) return undefined;
  return BigInt(`0x${bytes.subarray(at, at + WORD_BYTES).toString('hex')}`);
}
