import { hash } from 'node:crypto';
import type { ContractKind, Hex } from '../kernel/chain.ts';

/** The maximum number of facts of one log that have different ids. The program accepts fewer tokens than this in one ERC-2309 log. */
const PARTS = 2 ** 20;
/** The number of hexadecimal digits of the `part` at the end of an id. */
const PART_DIGITS = 5;
/** 2^32 divided by the golden ratio (Knuth's multiplicative hashing). It keeps consecutive chain ids far apart. */
const CHAIN_DISTANCE = 0x9e37_79b1;
/** The kinds of contract. The index of a kind in this list goes into ids of facts, so new kinds may only be added at its end. */
const KINDS: readonly ContractKind[] = ['master', 'dividend', 'artist_token', 'pool'];

/**
 * Returns the id of a fact: a UUID of version 8 (RFC 9562).
 *
 * ```
 * bbbbbbbb-llll-8lll-8lhh-hhhhhhhppppp
 * ```
 *
 * `b` is the block number (32 bits), `l` the log index (32 bits), `h` the branch (36 bits, see `branchOf`), `p` the part (20 bits). The
 * id is derived from the chain alone, so that two databases that indexed the same chain are equal row for row. Ids are ordered by block and
 * log, so that indexes grow at their end. To make an id, no hash is computed.
 *
 * @param branch the result of `branchOf`
 * @param part distinguishes facts of one log in one table: the low bits of a token id, or the kind of contract
 */
export function factId(blockNumber: number, branch: string, logIndex: number, part: number): string {
  const block = blockNumber.toString(16).padStart(8, '0');
  const index = logIndex.toString(16).padStart(8, '0');
  const end = `${branch}${part.toString(16).padStart(PART_DIGITS, '0')}`;
  return `${block}-${index.slice(0, 4)}-8${index.slice(4, 7)}-8${index.slice(7)}${end.slice(0, 2)}-${end.slice(2)}`;
}

/** Returns the id of a fact without its last digits (`part`). All facts of one log have this text in common, in every table. */
export function logPartOf(id: string): string {
  return id.slice(0, -PART_DIGITS);
}

/**
 * Returns 9 hex digits that distinguish the facts of a block from those of a block of another branch or chain. They are the last 36
 * bits of the block hash plus an offset that depends on the chain.
 */
export function branchOf(chainId: number, blockHash: Hex): string {
  const distance = (chainId % 2 ** 20) * CHAIN_DISTANCE;
  const sum = (Number.parseInt(blockHash.slice(-9), 16) + distance) % 2 ** 36;
  return sum.toString(16).padStart(9, '0');
}

/** Returns the `part` of the id of a fact about one token. The token ids of one log are consecutive, so their low bits differ. */
export function tokenPart(tokenId: string): number {
  // A JavaScript number represents up to 15 digits exactly.
  return tokenId.length <= 15 ? Number(tokenId) % PARTS : Number(BigInt.asUintN(20, BigInt(tokenId)));
}

/** Returns the `part` of the id of a fact in a table that can hold the same log for several kinds of contract. */
export function kindPart(kind: ContractKind): number {
  return KINDS.indexOf(kind);
}

/** Returns the id of a token's row in `master_nfts`. It equals `indexer.derived_id('master_nfts:…')` in SQL. */
export function masterNftId(chainId: number, contract: Hex, tokenId: string): string {
  const digits = hash('md5', `master_nfts:${chainId}:${contract}:${tokenId}`, 'hex');
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    '-',
  );
}
