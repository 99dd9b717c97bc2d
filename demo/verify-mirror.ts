import { openDatabase } from '../indexer/db/database.ts';
import { createSource } from '../indexer/source/source.ts';
import { describeDifference } from '../indexer/verify/difference.ts';
import { verifyChain } from '../indexer/verify/verify.ts';
import type { World } from './world.ts';

/** What `indexer verify --all` found: how much it compared, and a sentence for every difference. */
export type Verified = { readonly answers: number; readonly blocks: number; readonly differences: readonly string[] };

const SILENT = { info() {}, error() {} };

/** Verifies the mirror as `indexer verify --all` does: all answers of the contracts, all stored state, and the receipts of all blocks. */
export async function verifyMirror({ databaseUrl, anvil }: World, signal: AbortSignal): Promise<Verified> {
  const { chainId } = anvil;
  const database = openDatabase({ url: databaseUrl, statementTimeoutMs: 0, maxConnections: 2 });
  const source = createSource({ chainId, rpcUrls: [anvil.url] });
  const differences: string[] = [];
  const runtime = { now: () => performance.now(), random: Math.random };
  try {
    const { answers, blocks } = await verifyChain(
      {
        ...{ database, source, chainId, runtime, log: SILENT as never },
        ...{ contracts: undefined, sample: undefined, seed: 0, block: undefined, checksCoverage: true, repairs: false },
      },
      { difference: (difference) => void differences.push(describeDifference(difference)), note: () => undefined },
      signal,
    );
    return { answers, blocks, differences };
  } finally {
    source.close();
    await database.close();
  }
}
