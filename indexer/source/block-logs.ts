import type { BlockHeader, RawLog } from '../kernel/chain.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { numberLogs, readReceipts } from './receipts.ts';
import type { ReaderDeps } from './remaining-range.ts';

/**
 * Returns every log of one block, read from the receipts of its transactions, which the receipts root of the block must prove. It is
 * used for blocks of which `eth_getLogs` gives no usable answer.
 *
 * Where receipts number their logs otherwise than by their place in the block, the place counts.
 *
 * @param absent what it means if the endpoint has no receipts of the block
 * @throws {RpcInconsistency} if the receipts contradict the block. Another endpoint may have the true ones.
 */
export async function readBlockLogs(
  { roots }: ReaderDeps,
  endpoint: Endpoint,
  header: BlockHeader,
  signal: AbortSignal | undefined,
  absent: 'unknown-block' | 'pruned' = 'unknown-block',
): Promise<RawLog[]> {
  const block = await readReceipts(endpoint, header, signal, absent);
  await roots.verify(endpoint.name, block, signal);
  return numberLogs(block.receipts.map(({ logs }) => logs));
}
