import type { BlockHeader, Hex, RawLog } from '../kernel/chain.ts';
import { ConfigError, RpcError, RpcInconsistency } from '../kernel/errors.ts';
import type { Peer, SourceNotice } from '../rpc/peer.ts';
import type { Pool } from '../rpc/pool.ts';
import type { Blooms } from './bloom.ts';
import { readBlockLogs } from './receipts.ts';
import type { Watched } from './verify.ts';

/** A stretch read from one endpoint, in itself consistent and linked to what came before it. */
export type Part = { readonly to: number; readonly headers: readonly BlockHeader[]; readonly logs: readonly RawLog[] };

type Settling = { readonly pool: Pool; readonly blooms: Blooms; readonly notice: (notice: SourceNotice) => void };

/** Where a block's bloom says that it holds logs which did not come, its receipts decide. */
export async function settleBlooms(
  settling: Settling,
  peer: Peer,
  part: Part,
  watched: Watched | undefined,
  signal: AbortSignal | undefined,
): Promise<Part> {
  if (watched === undefined) return part;
  const byBlock = Map.groupBy(part.logs, (log) => log.blockNumber);
  let changed = false;
  for (const header of part.headers) {
    const given = byBlock.get(header.number) ?? [];
    const suspects = settling.blooms.suspects(header.logsBloom, watched, given);
    if (suspects.length === 0) continue;
    const logs = wantedOf(await settledLogs(settling, peer, header, suspects, signal), watched);
    if (logs.length === given.length) continue;
    changed = true;
    byBlock.set(header.number, logs);
    const detail = `block ${header.number}: ${given.length} logs were given where its receipts hold ${logs.length}`;
    settling.notice({ event: 'inconsistent', endpoint: peer.name, detail });
  }
  return changed ? { ...part, logs: part.headers.flatMap(({ number }) => byBlock.get(number) ?? []) } : part;
}

/** All logs of a block from its receipts, which must account for the suspects' bits: asked of other endpoints first. */
async function settledLogs(
  { pool, blooms }: Settling,
  peer: Peer,
  header: BlockHeader,
  suspects: readonly Hex[],
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  let failure: unknown;
  for (const candidate of [...pool.peers().filter((other) => other !== peer), peer]) {
    try {
      const logs = await readBlockLogs(candidate, header, signal);
      if (suspects.every((address) => blooms.explains(logs, address))) return logs;
      failure = new RpcInconsistency('a bloom says that a block holds logs, and its receipts have none of them', {
        context: { number: header.number, hash: header.hash, addresses: suspects },
      });
    } catch (error) {
      if (!isAnswer(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}

function isAnswer(error: unknown): boolean {
  return error instanceof RpcError || error instanceof RpcInconsistency || error instanceof ConfigError;
}

/** Those of a block's logs that the filter asks for. */
export function wantedOf(logs: readonly RawLog[], { addresses, topics }: Watched): RawLog[] {
  return logs.filter(({ address, topics: [topic] }) => addresses.has(address) && topics.has(topic ?? '0x'));
}
