import type { BlockHeader, BlockRef } from '../kernel/chain.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import type { EndpointNotice } from '../rpc/notice.ts';
import type { Pool } from '../rpc/pool.ts';
import type { Blooms } from './bloom.ts';
import type { Watched } from './parse.ts';
import type { ReceiptRoots } from './receipts-root.ts';
import type { SecondEndpoints } from './second-endpoint.ts';
import type { AnnouncedHeaders } from './subscription.ts';

/**
 * How to read a range in full, that is, with every header. `blooms`: compare the bloom of every header with the logs, and read the receipts
 * where they differ, or where the bloom is empty although the block has transactions. `receipts`: also read the receipts of every block
 * whose bloom does not rule out a watched log, whatever logs the node returned.
 */
export type FullReading = 'blooms' | 'receipts';

/** The part of a range that has not been read yet. */
export type RemainingRange = {
  readonly from: number;
  readonly to: number;
  /** Whether the range is above the finalized block. If so, every header is read. */
  readonly strict: boolean;
  readonly watched: Watched | undefined;
  /** The block below `from` that must be the parent of block `from`. Undefined if any parent is accepted. */
  readonly anchor: BlockRef | undefined;
  /** The block that the caller expects at the end of the whole range. Undefined if any block is accepted. */
  readonly tip: BlockRef | BlockHeader | undefined;
  /**
   * Below the finalized block: how to read every header; undefined if only some headers are read. Above it: if this is set, blooms with too
   * many bits set are compared with the logs too.
   */
  readonly inFull: FullReading | undefined;
  /** Below the finalized block: whether the header of every block with logs is read, even if the logs carry timestamps. */
  readonly readsHeadersOfLogs: boolean;
  /** Collects the names of endpoints whose logs differ from receipts. */
  readonly faultyEndpoints: Set<string>;
  /** Collects the blocks whose logs were read from receipts that neither a receipts root nor a bloom proves. */
  readonly unprovedBlocks: Set<number>;
  /** The number of failed attempts to read the next part, and the maximum number of blocks to request after them. */
  readonly tries: { failures: number; maxBlocks: number };
};

/** Dependencies of the functions that read parts of a range. */
export type ReaderDeps = {
  readonly pool: Pool;
  readonly blooms: Blooms;
  readonly roots: ReceiptRoots;
  readonly seconds: SecondEndpoints;
  readonly announced: AnnouncedHeaders;
  readonly notice: (notice: EndpointNotice) => void;
  readonly now: () => number;
  readonly random: () => number;
};

/** Reports that an answer held the same log twice. The log is used once. */
export function noticeDoubles({ notice }: ReaderDeps, { name }: Endpoint): void {
  notice({ event: 'inconsistent response', endpoint: name, detail: 'an answer held the same log twice' });
}
