import type { BlockHeader, BlockRef, Hex } from '../kernel/chain.ts';
import { AnchorMismatch, RpcInconsistency } from '../kernel/errors.ts';

/** Throws `RpcInconsistency` unless the header is of the requested block. */
export function verifyRequested(header: BlockHeader, requested: number | Hex): void {
  if (header.number !== requested && header.hash !== requested) {
    throw new RpcInconsistency('the node returned another block than the requested one', {
      context: { requested, number: header.number, hash: header.hash },
    });
  }
}

/** Throws `AnchorMismatch` unless the first header is a child of `anchor`, and `RpcInconsistency` unless headers link by parent hash. */
export function verifyLinks(headers: readonly BlockHeader[], anchor: BlockRef | undefined): void {
  let parent: BlockRef | undefined = anchor;
  for (const header of headers) {
    if (parent !== undefined && (header.number !== parent.number + 1 || header.parentHash !== parent.hash)) {
      const context = { number: header.number, parentHash: header.parentHash, expected: parent };
      if (parent === anchor)
        throw new AnchorMismatch('the first block of the range is not a child of the expected block', { context });
      throw new RpcInconsistency('two consecutive blocks are not linked by parent hash', { context });
    }
    parent = header;
  }
}
