import type { EncodedBatch } from '../facts/encoded-batch.ts';
import type { Logger } from '../observability/log.ts';
import type { Measures } from '../observability/measures.ts';
import { shortenWallets } from '../observability/redact.ts';
import { largeClaimsIn } from '../protocols/dividend/large-claims.ts';

/**
 * Logs and counts the claims of at least `leastWei` of the native coin that were committed at the head. Facts that fill history are not
 * reported. Nothing is reported if `leastWei` is undefined.
 */
export function reportLargeClaims(
  { log, measures }: { readonly log: Logger; readonly measures?: Measures | undefined },
  chainId: number,
  batch: EncodedBatch,
  leastWei: bigint | undefined,
): void {
  if (leastWei === undefined) return;
  for (const { amount, holder, ...claim } of largeClaimsIn(batch, leastWei)) {
    measures?.largeClaim(chainId);
    const wei = { amountWei: String(amount), leastWei: String(leastWei) };
    log.warn({ chain: chainId, holder: shortenWallets(holder), ...claim, ...wei }, 'large claim');
  }
}
