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
 * How to read a range in full. `blooms`: compare the bloom of every header with the logs, and read the receipts where they differ.
 * `receipts`: also read the receipts of every block whose bloom does not rule out a watched log, whatever logs the node returned.
 */
export type FullReading = 'blooms' | 'receipts';

/** The part of a range that has not been read yet. */
export type RemainingRange = {
  readonly from: number;
  readonly to: number;
  /** Whether the range is above finalized. */
  readonly strict: boolean;
  readonly watched: Watched | undefined;
  /** The block below `from`. */
  readonly anchor: BlockRef | undefined;
  /** The block that the caller expects at the end of the range. */
  readonly tip: BlockRef | BlockHeader | undefined;
  /** How to read the range in full. Undefined if only some headers are read. */
  readonly inFull: FullReading | undefined;
  /** Whether the header of every block with logs is read. */
  readonly readsHeadersOfLogs: boolean;
  /** Collects the names of endpoints whose logs differ from receipts. */
  readonly faultyEndpoints: Set<string>;
  /** Collects the blocks whose logs were read from receipts that nothing proves. */
  readonly unprovedBlocks: Set<number>;
  /** The number of failed attempts to read the next part, and the maximum number of blocks to request after them. */
  readonly tries: { failures: number; maxBlocks: number };
};

/** What the readers of parts work with. */
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
