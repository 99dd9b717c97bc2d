import type { Decimal } from '../../facts/origin.ts';
import type { Hex } from '../../kernel/chain.ts';

/** Hex digits of one ABI word (32 bytes). */
const WORD = 64;
const PREFIX = '0x'.length;
/** `0x` and the twelve zero bytes in front of an address in a topic. */
const ADDRESS_TOPIC_PREFIX = `0x${'0'.repeat(24)}`;
const ZERO_WORD = '0'.repeat(WORD);
/** An integer of this many hex digits (52 bits) is exact as a number. */
const SAFE_DIGITS = 13;
const SMALL_WORD_PREFIX = '0'.repeat(WORD - SAFE_DIGITS);
const HALF_ZERO = '0'.repeat(WORD / 2);
const UINT112_PREFIX = '0'.repeat(WORD - 112 / 4);

/** Whether a log has exactly `topics` topics and `words` words of data. */
export function hasShape(
  log: { readonly topics: readonly Hex[]; readonly data: Hex },
  topics: number,
  words: number,
): boolean {
  return log.topics.length === topics && log.data.length === PREFIX + WORD * words;
}

/** The address in a topic; null where its twelve high bytes are not zero. */
export function topicAddress(topic: Hex | undefined): Hex | null {
  if (topic === undefined || !topic.startsWith(ADDRESS_TOPIC_PREFIX)) return null;
  return `0x${topic.slice(ADDRESS_TOPIC_PREFIX.length)}`;
}

/** The `uint256` in a topic. */
export function topicUint(topic: Hex | undefined): Decimal {
  return decimal((topic ?? '0x').slice(PREFIX));
}

/** The `uint256` in the data's word `index`, which must be there. */
export function dataUint(data: Hex, index: number): Decimal {
  return decimal(dataWord(data, index));
}

/** The `uint112` in the data's word `index`; null where it is larger. */
export function dataUint112(data: Hex, index: number): Decimal | null {
  const word = dataWord(data, index);
  return word.startsWith(UINT112_PREFIX) ? decimal(word) : null;
}

/** `plus - minus` of two `uint256` words of the data. */
export function dataDifference(data: Hex, plus: number, minus: number): Decimal {
  const minuend = dataWord(data, plus);
  const subtrahend = dataWord(data, minus);
  if (subtrahend === ZERO_WORD) return decimal(minuend);
  if (minuend === ZERO_WORD) return `-${decimal(subtrahend)}`;
  return (BigInt(`0x${minuend}`) - BigInt(`0x${subtrahend}`)).toString();
}

function dataWord(data: Hex, index: number): string {
  return data.slice(PREFIX + index * WORD, PREFIX + (index + 1) * WORD);
}

function decimal(word: string): Decimal {
  if (word.startsWith(SMALL_WORD_PREFIX)) return String(Number.parseInt(word.slice(-SAFE_DIGITS), 16));
  // Half a word is read in two thirds of the time, and most amounts fit into it.
  const digits = word.startsWith(HALF_ZERO) ? word.slice(HALF_ZERO.length) : word;
  return BigInt(`0x${digits}`).toString();
}
