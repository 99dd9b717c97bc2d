import { keccak256 } from 'viem';
import type { Hex, RawLog } from '../kernel/chain.ts';
import type { Watched } from './verify.ts';

const BLOOM_BITS = 2048;
const BLOOM_HEX_CHARS = 2 + BLOOM_BITS / 4;
/** Items whose bits are remembered; hashing one takes some 10 µs, and the same contracts come in every block. */
const CACHE_MAX_ITEMS = 65_536;
/** A bloom is evidence only where fewer watched addresses than this are expected to be in it by chance. */
const FALSE_POSITIVES_MAX = 0.01;

/**
 * Reads logs blooms (Yellow Paper, 4.3.1: three bits of 2,048 for each address and topic).
 *
 * A bloom is evidence for logs, never against them: some chains serve blooms of zeros.
 */
export type Blooms = {
  /**
   * Watched addresses that the bloom says logged one of the watched topics, and that no log of the block is of. Empty where
   * the bloom is so full that chance alone would name one.
   */
  suspects(bloom: Hex, watched: Watched, logs: readonly RawLog[]): Hex[];
  /** The bloom proves that no watched address logged a watched topic. */
  excludes(bloom: Hex, watched: Watched): boolean;
  /** The address's bits are all set by these logs, whichever logs set them. */
  explains(logs: readonly RawLog[], address: Hex): boolean;
};

/** Whether a bloom has no bit set (or is missing), and so says nothing at all. */
export function isSilent(bloom: Hex): boolean {
  return bloom.length !== BLOOM_HEX_CHARS || /^0x0*$/.test(bloom);
}

export function createBlooms(): Blooms {
  const cache = new Map<Hex, readonly number[]>();

  function bitsOf(item: Hex): readonly number[] {
    const known = cache.get(item);
    if (known !== undefined) return known;
    const bits = bloomBits(item);
    if (cache.size >= CACHE_MAX_ITEMS) cache.clear();
    cache.set(item, bits);
    return bits;
  }

  function holds(bytes: Uint8Array, item: Hex): boolean {
    for (const bit of bitsOf(item)) if (!isSet(bytes, bit)) return false;
    return true;
  }

  function holdsSome(bytes: Uint8Array, items: Iterable<Hex>): boolean {
    for (const item of items) if (holds(bytes, item)) return true;
    return false;
  }

  return {
    suspects(bloom, watched, logs) {
      if (isSilent(bloom)) return [];
      const bytes = bytesOf(bloom);
      const chance = (setBits(bytes) / BLOOM_BITS) ** 3;
      if (chance * watched.addresses.size >= FALSE_POSITIVES_MAX) return [];
      if (!holdsSome(bytes, watched.topics.values())) return [];
      const suspects: Hex[] = [];
      for (const address of watched.addresses.values()) {
        if (holds(bytes, address) && !logs.some((log) => log.address === address)) suspects.push(address);
      }
      return suspects;
    },
    excludes(bloom, watched) {
      if (isSilent(bloom)) return false;
      const bytes = bytesOf(bloom);
      return !(holdsSome(bytes, watched.topics.values()) && holdsSome(bytes, watched.addresses.values()));
    },
    explains(logs, address) {
      const bytes = new Uint8Array(BLOOM_BITS / 8);
      for (const item of new Set(logs.flatMap((log) => [log.address, ...log.topics]))) {
        for (const bit of bloomBits(item)) setBit(bytes, bit);
      }
      return holds(bytes, address);
    },
  };
}

/** The three bits of an item: the low 11 bits of the first three pairs of bytes of its hash. */
export function bloomBits(item: Hex): readonly number[] {
  const hash = keccak256(item, 'bytes');
  return [0, 2, 4].map((at) => (((hash[at] ?? 0) << 8) | (hash[at + 1] ?? 0)) & (BLOOM_BITS - 1));
}

/** Bit 0 is the lowest bit of the last byte. */
function isSet(bytes: Uint8Array, bit: number): boolean {
  return ((bytes[bytes.length - 1 - (bit >> 3)] ?? 0) & (1 << (bit & 7))) !== 0;
}

function setBit(bytes: Uint8Array, bit: number): void {
  const at = bytes.length - 1 - (bit >> 3);
  bytes[at] = (bytes[at] ?? 0) | (1 << (bit & 7));
}

/** How many bits are set, four bytes at a time. */
function setBits(bytes: Uint8Array): number {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  let count = 0;
  for (const word of words) {
    const pairs = word - ((word >>> 1) & 0x55555555);
    const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
    count += Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}

function bytesOf(bloom: Hex): Uint8Array {
  return new Uint8Array(Buffer.from(bloom.slice(2), 'hex'));
}
