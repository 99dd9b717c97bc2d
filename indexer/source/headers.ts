import type { BlockHeader, Hex } from '../kernel/chain.ts';
import { RpcError } from '../kernel/errors.ts';
import type { Asker } from '../rpc/batch.ts';
import { parseHeader, verifyAsked } from './verify.ts';

/** A JSON-RPC quantity. */
export function hexOf(number: number): Hex {
  return `0x${number.toString(16)}`;
}

/** One endpoint's block at a height or of a hash; undefined where it has none. */
export async function readHeader(
  peer: Asker,
  asked: number | Hex,
  signal: AbortSignal | undefined,
): Promise<BlockHeader | undefined> {
  const [method, block] =
    typeof asked === 'number' ? ['eth_getBlockByNumber', hexOf(asked)] : ['eth_getBlockByHash', asked];
  try {
    const raw = await peer.request(method, [block, false], { signal });
    if (raw === null) return undefined;
    const header = parseHeader(raw);
    verifyAsked(header, asked);
    return header;
  } catch (error) {
    if (error instanceof RpcError && error.kind === 'unknown-block') return undefined;
    throw error;
  }
}

/** As `readHeader`, where the block must be there: `RpcError` `unknown-block` otherwise. */
export async function requireHeader(
  peer: Asker,
  asked: number | Hex,
  signal: AbortSignal | undefined,
): Promise<BlockHeader> {
  const header = await readHeader(peer, asked, signal);
  if (header === undefined) throw unknownBlock(peer, `it has no block ${asked}`);
  return header;
}

/** The node is behind, or the block was reorganised. */
export function unknownBlock(peer: Asker, what: string): RpcError {
  return new RpcError('unknown-block', `${peer.name}: ${what}`, { context: { endpoint: peer.name } });
}
