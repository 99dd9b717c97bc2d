const HEX16 = Array.from({ length: 0x1_0000 }, (_, value) => value.toString(16).padStart(4, '0'));

/** A pseudorandom sequence that is the same for the same keys (mulberry32, seeded with a hash of the keys). */
export class Random {
  #state: number;

  constructor(...keys: readonly number[]) {
    this.#state = 0x9e3779b9;
    for (const key of keys) {
      this.#state = Math.imul(this.#state ^ key, 0x85ebca6b);
      this.#state = Math.imul(this.#state ^ (this.#state >>> 13) ^ Math.floor(key / 2 ** 32), 0xc2b2ae35);
      this.#state ^= this.#state >>> 16;
    }
  }

  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** Returns an integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * limit);
  }

  /** Returns lower-case hexadecimal digits. `digits` is a multiple of 8. */
  hex(digits: number): string {
    let text = '';
    for (let left = digits; left > 0; left -= 8) {
      const value = this.uint32();
      text += (HEX16[value >>> 16] as string) + (HEX16[value & 0xffff] as string);
    }
    return text;
  }
}
