import { InvalidArgumentError } from 'commander';
import type { Config } from '../config/resolve.ts';
import type { Hex } from '../kernel/chain.ts';
import { UsageError } from '../kernel/errors.ts';
import { ADDRESS, WHOLE_NUMBER } from '../kernel/patterns.ts';

/** Parses a block number, a chain id or a count: a whole number that is not negative. */
export function wholeNumber(text: string): number {
  if (!WHOLE_NUMBER.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** Parses a count of at least one. */
export function positiveNumber(text: string): number {
  const number = wholeNumber(text);
  if (number === 0) throw new InvalidArgumentError('It must be at least 1.');
  return number;
}

/** Parses an address and lower-cases it. */
export function address(text: string): Hex {
  if (!ADDRESS.test(text)) throw new InvalidArgumentError('It must be 0x and 40 hexadecimal digits.');
  return text.toLowerCase() as Hex;
}

/** Returns the named chain, or the only configured one if none is named. Throws `UsageError` if there is a choice. */
export function chainOf(named: number | undefined, { chains }: Config): number {
  if (named !== undefined) return named;
  const [only, ...others] = chains;
  if (only === undefined) throw new UsageError('no chain is configured; name one: --chain ID');
  if (others.length > 0) {
    const choices = chains.map((chain) => `--chain ${chain.chainId}`).join(' or ');
    throw new UsageError(`several chains are configured; name one: ${choices}`);
  }
  return only.chainId;
}
