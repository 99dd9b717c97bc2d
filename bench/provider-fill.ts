import type { ChainSettings } from '../indexer/config/define.ts';
import { startBackfill } from './backfill.ts';
import type { Chain } from './chain.ts';
import { checkDatabase } from './check.ts';
import { withSettings } from './indexing-process.ts';
import { type ProviderOptions, type ProviderUsage, startProvider, usageOf } from './provider.ts';
import type { Server } from './server.ts';
import type { WorldOptions } from './world.ts';

/** The usage of a provider by a fill of the whole chain, and by the proof that follows it. */
export type ProviderFillResult = {
  readonly blockTimestamp: boolean;
  readonly events: number;
  readonly blocks: number;
  readonly fill: ProviderUsage;
  /** Measured without a limit of calls per second, so its seconds mean little. Undefined if it was not measured. */
  readonly proof?: ProviderUsage | undefined;
};

const DATABASE = 'provider';
const PROOF: ChainSettings = { proof: { callsPerSecond: 1_000 } };

/** Fills a new database with the whole chain through a provider and checks the database. Then proves the chain if `isProved`. */
export async function measureProviderFill(
  server: Server,
  chain: Chain,
  { events, blocks }: WorldOptions,
  { isProved, ...provider }: ProviderOptions & { readonly isProved: boolean },
): Promise<ProviderFillResult> {
  const url = await server.createDatabase(DATABASE);
  try {
    await chain.moveTo(blocks, blocks);
    const fill = await useProvider(chain, provider, (rpcUrl) => startBackfill(url, rpcUrl).finished());
    await checkDatabase(url, await chain.expectedAfter(blocks));
    const prove = (rpcUrl: string) =>
      withSettings(PROOF, (file) => startBackfill(url, rpcUrl, { args: ['--proved', '--config', file] }).finished());
    // The command exits with 0 only if all blocks are proved.
    const proof = isProved ? await useProvider(chain, { ...provider, burst: undefined }, prove) : undefined;
    return { blockTimestamp: provider.blockTimestamp, events, blocks, fill, proof };
  } finally {
    await server.dropDatabase(DATABASE);
  }
}

/** Runs some work with a provider of its own. Returns how the work used the provider. */
async function useProvider(
  chain: Chain,
  options: ProviderOptions,
  work: (rpcUrl: string) => Promise<unknown>,
): Promise<ProviderUsage> {
  const provider = await startProvider(chain, options);
  try {
    await work(provider.httpUrl);
    return usageOf(await provider.counts());
  } finally {
    await provider.stop();
  }
}
