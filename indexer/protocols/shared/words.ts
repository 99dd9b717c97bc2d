import type { Decimal } from '../../facts/origin.ts';
import type { Hex } from '../../kernel/chain.ts';

/** The number of hex digits of one ABI word (32 bytes). */
const WORD = 64;
/** The number of bytes of one ABI word. */
const BYTES = WORD / 2;
const PREFIX = '0x'.length;
/** `0x` and the twelve zero bytes before an address in a topic. */
const ADDRESS_TOPIC_PREFIX = `0x${'0'.repeat(24)}`;
const ZERO_WORD = '0'.repeat(WORD);
/** A JavaScript number represents an integer of this many hex digits (52 bits) exactly. */
const SAFE_DIGITS = 13;
const SMALL_WORD_PREFIX = '0'.repeat(WORD - SAFE_DIGITS);
const HALF_ZERO = '0'.repeat(WORD / 2);
const UINT112_PREFIX = '0'.repeat(WORD - 112 / 4);

/** Returns whether a log has exactly `topics` topics and `words` words of data. */
export function hasShape(
  log: { readonly topics: readonly Hex[]; readonly data: Hex },
  topics: number,
  words: number,
): boolean {
  return log.topics.length === topics && log.data.length === PREFIX + WORD * words;
}

/** Returns the address in a topic. Null if its twelve high bytes are not zero. */
export function topicAddress(topic: Hex | undefined): Hex | null {
  if (topic === undefined || !topic.startsWith(ADDRESS_TOPIC_PREFIX)) return null;
  return `0x${topic.slice(ADDRESS_TOPIC_PREFIX.length)}`;
}

/** Returns the `uint256` in a topic. */
export function topicUint(topic: Hex | undefined): Decimal {
  return decimal((topic ?? '0x').slice(PREFIX));
}

/** Returns the `uint256` in word `index` of the data. The word must exist. */
export function dataUint(data: Hex, index: number): Decimal {
  return decimal(dataWord(data, index));
}

/** Returns the `uint112` in word `index` of the data. Null if the value is larger. */
export function dataUint112(data: Hex, index: number): Decimal | null {
  const word = dataWord(data, index);
  return word.startsWith(UINT112_PREFIX) ? decimal(word) : null;
}

/** Returns the difference of two `uint256` words of the data: word `plus` minus word `minus`. */
export function dataDifference(data: Hex, plus: number, minus: number): Decimal {
  const minuend = dataWord(data, plus);
  const subtrahend = dataWord(data, minus);
  if (subtrahend === ZERO_WORD) return decimal(minuend);
  if (minuend === ZERO_WORD) return `-${decimal(subtrahend)}`;
  return (BigInt(`0x${minuend}`) - BigInt(`0x${subtrahend}`)).toString();
}

/**
 * Returns whether the data ends with exactly one `string` or `bytes`: its offset is in word `index`, it begins directly after the first
 * `head` words (one for each argument), and it fills the rest of the data. The content of the `string` or `bytes` is not checked.
 */
export function isStringAt(data: Hex, index: number, head: number): boolean {
  const words = (data.length - PREFIX) / WORD;
  if (!Number.isInteger(words) || words <= head) return false;
  if (dataUint(data, index) !== String(head * BYTES)) return false;
  const length = BigInt(dataUint(data, head));
  return (length + BigInt(BYTES - 1)) / BigInt(BYTES) === BigInt(words - head - 1);
}

function dataWord(data: Hex, index: number): string {
  return data.slice(PREFIX + index * WORD, PREFIX + (index + 1) * WORD);
}

function decimal(word: string): Decimal {
  if (word.startsWith(SMALL_WORD_PREFIX)) return String(Number.parseInt(word.slice(-SAFE_DIGITS), 16));
  // Parsing half a word takes two thirds of the time of a whole word, and most amounts fit into half a word.
  const digits = word.startsWith(HALF_ZERO) ? word.slice(HALF_ZERO.length) : word;
  return BigInt(`0x${digits}`).toString();
}
