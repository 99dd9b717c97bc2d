import { InvalidArgumentError } from 'commander';
import type { ChainConfig, Config } from '../config/resolve.ts';
import { BLOCK_NUMBER_LIMIT, type Hex } from '../kernel/chain.ts';
import { UsageError } from '../kernel/errors.ts';
import { ADDRESS, UUID, WHOLE_NUMBER } from '../kernel/patterns.ts';

const PORT_MAX = 65_535;

/** Parses a whole number that is not negative. */
export function wholeNumber(text: string): number {
  if (!WHOLE_NUMBER.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** Parses a block number. */
export function blockNumber(text: string): number {
  const number = wholeNumber(text);
  if (number >= BLOCK_NUMBER_LIMIT) throw new InvalidArgumentError(`It must be below ${BLOCK_NUMBER_LIMIT}.`);
  return number;
}

/** Parses a count of at least one, or the id of a chain. */
export function positiveNumber(text: string): number {
  const number = wholeNumber(text);
  if (number === 0) throw new InvalidArgumentError('It must be at least 1.');
  return number;
}

/** Parses the number of a TCP port. 0 means any free port. */
export function portNumber(text: string): number {
  const number = wholeNumber(text);
  if (number > PORT_MAX) throw new InvalidArgumentError(`It must be at most ${PORT_MAX}.`);
  return number;
}

/** Parses an address and lower-cases it. */
export function address(text: string): Hex {
  if (!ADDRESS.test(text)) throw new InvalidArgumentError('It must be 0x and 40 hexadecimal digits.');
  return text.toLowerCase() as Hex;
}

/** Parses a UUID and lower-cases it. */
export function uuid(text: string): string {
  if (!UUID.test(text)) throw new InvalidArgumentError('It must be a UUID.');
  return text.toLowerCase();
}

/**
 * Returns the id of the chain that the user named. If the user named none, returns the id of the only configured chain, or throws
 * `UsageError` if no chain or several chains are configured.
 */
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

/** Returns the settings of a chain. Throws `UsageError` if it is not configured. */
export function configuredChain(chainId: number, { chains }: Config): ChainConfig {
  const chain = chains.find((candidate) => candidate.chainId === chainId);
  if (chain === undefined) throw new UsageError(`chain ${chainId} is not configured: set RPC_URL_${chainId}`);
  return chain;
}
