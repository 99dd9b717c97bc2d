import type { BlockHeader, BlockRef, Hex } from '../kernel/chain.ts';
import { RpcError } from '../kernel/errors.ts';
import type { Requester } from '../rpc/endpoint.ts';
import { parseHeader, toQuantity } from './parse.ts';
import { verifyRequested } from './verify.ts';

/** Returns the newest block of an endpoint. */
export async function readLatest(endpoint: Requester, signal: AbortSignal | undefined): Promise<BlockHeader> {
  return parseHeader(await endpoint.request('eth_getBlockByNumber', ['latest', false], { signal }), endpoint);
}

/** Returns the header of a block by number or hash; undefined if the endpoint does not have the block. */
export async function readHeader(
  requester: Requester,
  block: number | Hex,
  signal: AbortSignal | undefined,
): Promise<BlockHeader | undefined> {
  const [method, id] =
    typeof block === 'number' ? ['eth_getBlockByNumber', toQuantity(block)] : ['eth_getBlockByHash', block];
  try {
    const raw = await requester.request(method, [id, false], { signal });
    if (raw === null) return undefined;
    const header = parseHeader(raw, requester);
    verifyRequested(header, block);
    return header;
  } catch (error) {
    if (error instanceof RpcError && error.kind === 'unknown-block') return undefined;
    throw error;
  }
}

/** Returns the header of a block by number or hash. Throws `RpcError` `unknown-block` if the endpoint does not have the block. */
export async function requireHeader(
  requester: Requester,
  block: number | Hex,
  signal: AbortSignal | undefined,
): Promise<BlockHeader> {
  const header = await readHeader(requester, block, signal);
  if (header === undefined) throw unknownBlock(requester, `the endpoint does not have block ${block}`);
  return header;
}

/** Returns the header at a height. Same as `requireHeader`, with the parameters in the order that `mapInBatches` expects. */
export function readHeaderOf(number: number, requester: Requester, signal: AbortSignal): Promise<BlockHeader> {
  return requireHeader(requester, number, signal);
}

/** Creates the error for a block that the endpoint does not have (yet or any longer). */
export function unknownBlock(requester: Requester, detail: string): RpcError {
  return new RpcError('unknown-block', `${requester.label}: ${detail}`, { context: { endpoint: requester.name } });
}

/** Throws `RpcError` `unknown-block` if the last header is at the height of `tip`, the caller's expected block, but has another hash. */
export function verifyTip(
  endpoint: Requester,
  headers: readonly BlockHeader[],
  { to, tip }: { readonly to: number; readonly tip: BlockRef | undefined },
): void {
  const last = headers.at(-1);
  if (tip === undefined || tip.number !== to || last?.number !== to || last.hash === tip.hash) return;
  throw unknownBlock(endpoint, `the endpoint has another block ${to} than the caller`);
}
