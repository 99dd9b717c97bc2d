import { TokenUriReader } from '../metadata/token-uri-reader.ts';
import { levelOf } from '../rpc/notice.ts';
import { createSource, type SharedDeps } from '../source/source.ts';
import type { ChainProofInput } from './chain-proof.ts';

/** A reader of a chain's token URIs with connections of its own, whose calls are limited to what the configuration allows. */
export type ChainMetadata = {
  /** Reads until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Closes the connections to the endpoints. */
  close(): void;
};

/** Constructs the reader of a chain's token URIs. Returns undefined if the configuration turns it off. */
export function createChainMetadata({
  chain,
  database,
  log,
  runtime,
  observe,
  meters,
}: SharedDeps & Pick<ChainProofInput, 'chain' | 'database' | 'log' | 'runtime'>): ChainMetadata | undefined {
  const { chainId, tokenUriCallsPerSecond: callsPerSecond } = chain;
  if (callsPerSecond === 0) return undefined;
  const source = createSource(
    { ...chain, callsPerSecond },
    {
      ...runtime,
      observe,
      meters,
      notice: (notice) =>
        log[levelOf(notice)]({ chain: chainId, task: 'token URIs', ...notice }, `source: ${notice.event}`),
    },
  );
  const reader = new TokenUriReader({ database, chainId, source, log, runtime });
  return { run: (signal) => reader.run(signal), close: () => source.close() };
}
