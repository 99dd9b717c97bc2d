import { hash } from 'node:crypto';
import type { Hex } from '../kernel/chain.ts';

/** Hex digits of a block number in an id: 48 bits. */
const BLOCK_DIGITS = 12;
/** The variant digit of RFC 9562, by the two bits that are left to the hash. */
const VARIANTS = '89ab';

/** The log, or the part of a log, that a fact is made of. */
export type FactSource = {
  readonly table: string;
  readonly chainId: number;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly logIndex: number;
  /** What else tells the table's facts of one log apart: the token, or the kind of contract. */
  readonly part?: string | undefined;
};

/**
 * The id of a fact: a UUID of version 8 (RFC 9562), the block number in its first 48 bits, then an MD5 of its source.
 *
 * It is derived, so that two databases that saw the same chain are equal row for row (invariant 5), and it begins with the
 * block, so that the rows of a commit are neighbours in the index.
 */
export function factId({ table, chainId, blockNumber, blockHash, logIndex, part }: FactSource): string {
  const source = `${table}:${chainId}:${blockHash}:${logIndex}`;
  const digits = hash('md5', part === undefined ? source : `${source}:${part}`, 'hex');
  const block = blockNumber.toString(16).padStart(BLOCK_DIGITS, '0');
  const variant = VARIANTS[Number.parseInt(digits[3] ?? '0', 16) & 3];
  return `${block.slice(0, 8)}-${block.slice(8)}-8${digits.slice(0, 3)}-${variant}${digits.slice(4, 7)}-${digits.slice(7, 19)}`;
}

/** The id of a token's row in `master_nfts`, as `indexer.derived_id('master_nfts:…')` gives it in SQL. */
export function masterNftId(chainId: number, contract: Hex, tokenId: string): string {
  const digits = hash('md5', `master_nfts:${chainId}:${contract}:${tokenId}`, 'hex');
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    '-',
  );
}
