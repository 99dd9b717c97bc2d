import { keccak256 } from 'viem/utils';
import type { Hex, RawLog } from '../kernel/chain.ts';
import type { Watched } from './parse.ts';

const BLOOM_BITS = 2048;
const BLOOM_HEX_CHARS = 2 + BLOOM_BITS / 4;
/** Maximum number of addresses and topics whose bloom bits are cached. Hashing one takes about 10 µs, and blocks repeat the same ones. */
const CACHE_MAX_ITEMS = 65_536;
/** A bloom is too full to show missing logs if the expected number of false positives among the watched addresses is at least this. */
const FALSE_POSITIVES_MAX = 0.01;

/** The members of a log that go into a bloom. */
type BloomedLog = Pick<RawLog, 'address' | 'topics'>;

/**
 * Reads the logs blooms of blocks (Yellow Paper, 4.3.1: three bits of 2,048 for each address and topic).
 *
 * A bloom can prove that logs are missing, but an empty bloom proves nothing, because some chains serve only zeros.
 */
export type Blooms = {
  /**
   * Returns the watched addresses that, according to the bloom, emitted a watched topic, but have no log in `logs`. If the bloom is so
   * full that false positives are likely, returns none unless `everyDoubt` is set.
   */
  suspects(bloom: Hex, watched: Watched, logs: readonly RawLog[], everyDoubt: boolean): Hex[];
  /** Returns whether a bloom is so full that false positives among the watched addresses are likely. */
  isTooFull(bloom: Hex, watched: Watched): boolean;
  /** Returns whether the bloom proves that no watched address emitted a watched topic. */
  excludes(bloom: Hex, watched: Watched): boolean;
  /** Returns whether the logs together, whatever addresses emitted them, set all bloom bits of `address`. */
  explains(logs: readonly BloomedLog[], address: Hex): boolean;
  /** Returns whether the logs set all bits of a bloom. */
  covers(logs: readonly BloomedLog[], bloom: Hex): boolean;
  /** Returns the bloom of logs. */
  ofLogs(logs: readonly BloomedLog[]): Uint8Array;
};

/** Returns whether a bloom is missing or has no bit set, and therefore proves nothing. */
export function isEmptyBloom(bloom: Hex): boolean {
  return bloom.length !== BLOOM_HEX_CHARS || /^0x0*$/.test(bloom);
}

/** Creates a bloom reader with an empty cache. */
export function createBlooms(): Blooms {
  const cache = new Map<Hex, readonly number[]>();
  /** The bloom bits of the watched addresses, three for each. Cached because every header is compared with up to thousands of addresses. */
  const addressBits = new WeakMap<Watched, Uint16Array>();

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

  function* heldAddresses(bytes: Uint8Array, watched: Watched): Generator<Hex> {
    const { addresses } = watched.watch;
    let bits = addressBits.get(watched);
    if (bits === undefined) {
      bits = Uint16Array.from(addresses.flatMap(bitsOf));
      addressBits.set(watched, bits);
    }
    for (let at = 0; at < addresses.length; at++) {
      const [first, second, third] = [bits[3 * at] as number, bits[3 * at + 1] as number, bits[3 * at + 2] as number];
      if (isSet(bytes, first) && isSet(bytes, second) && isSet(bytes, third)) yield addresses[at] as Hex;
    }
  }

  function ofLogs(logs: readonly BloomedLog[]): Uint8Array {
    const bytes = new Uint8Array(BLOOM_BITS / 8);
    for (const item of new Set(logs.flatMap((log) => [log.address, ...log.topics]))) {
      for (const bit of bitsOf(item)) setBit(bytes, bit);
    }
    return bytes;
  }

  return {
    ofLogs,
    suspects(bloom, watched, logs, everyDoubt) {
      if (isEmptyBloom(bloom)) return [];
      const bytes = bytesOf(bloom);
      if (!everyDoubt && isCrowded(bytes, watched)) return [];
      if (!holdsSome(bytes, watched.topics.values())) return [];
      const suspects: Hex[] = [];
      for (const address of heldAddresses(bytes, watched)) {
        if (!logs.some((log) => log.address === address)) suspects.push(address);
      }
      return suspects;
    },
    isTooFull: (bloom, watched) => !isEmptyBloom(bloom) && isCrowded(bytesOf(bloom), watched),
    excludes(bloom, watched) {
      if (isEmptyBloom(bloom)) return false;
      const bytes = bytesOf(bloom);
      if (!holdsSome(bytes, watched.topics.values())) return true;
      return heldAddresses(bytes, watched).next().done === true;
    },
    explains: (logs, address) => holds(ofLogs(logs), address),
    covers(logs, bloom) {
      const bytes = ofLogs(logs);
      return bytesOf(bloom).every((byte, at) => (byte & ~(bytes[at] ?? 0)) === 0);
    },
  };
}

/** Returns the three bloom bits of an address or topic: the low 11 bits of the first three pairs of bytes of its hash. */
export function bloomBits(item: Hex): readonly number[] {
  const hash = keccak256(item, 'bytes');
  return [0, 2, 4].map((at) => (((hash[at] ?? 0) << 8) | (hash[at + 1] ?? 0)) & (BLOOM_BITS - 1));
}

function isCrowded(bytes: Uint8Array, { addresses }: Watched): boolean {
  return (setBits(bytes) / BLOOM_BITS) ** 3 * addresses.size >= FALSE_POSITIVES_MAX;
}

/** Returns whether a bit is set. Bit 0 is the lowest bit of the last byte. */
function isSet(bytes: Uint8Array, bit: number): boolean {
  return ((bytes[bytes.length - 1 - (bit >> 3)] ?? 0) & (1 << (bit & 7))) !== 0;
}

function setBit(bytes: Uint8Array, bit: number): void {
  const at = bytes.length - 1 - (bit >> 3);
  bytes[at] = (bytes[at] ?? 0) | (1 << (bit & 7));
}

/** Counts the set bits, four bytes at a time. */
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
