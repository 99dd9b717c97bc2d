import { afterEach } from 'vitest';
import type { RpcEndpoint } from '../../indexer/config/define.ts';
import type { Hex, WatchFilter } from '../../indexer/kernel/chain.ts';
import type { EndpointNotice } from '../../indexer/rpc/notice.ts';
import { createSource, type Source, type SourceDeps, type SourceOptions } from '../../indexer/source/source.ts';
import { Chain, type LogSpec } from './chain.ts';
import { ChainServer } from './chain-server.ts';

/** The watched contract. */
export const ADDRESS: Hex = `0x${'aa'.repeat(20)}`;
/** A contract that is not watched. */
export const OTHER_ADDRESS: Hex = `0x${'cc'.repeat(20)}`;
/** The watched topic 0. */
export const TOPIC: Hex = `0x${'bb'.repeat(32)}`;
/** The filter for the watched contract. */
export const WATCH: WatchFilter = { addresses: [ADDRESS], topics: [TOPIC] };

/** Returns a log, by default of the watched contract. */
export function log(spec: Partial<LogSpec> = {}): LogSpec {
  return { address: ADDRESS, topics: [TOPIC], ...spec };
}

/** Creates a chain with one watched log in every block up to `height`. */
export function busyChain(height: number): Chain {
  const chain = new Chain();
  for (let number = 1; number <= height; number++) chain.append({ logs: [log({ data: `0x${'00'.repeat(31)}01` })] });
  return chain;
}

/** Returns functions that create servers and sources, and the notices of these sources. Closes all of them after each test. */
export function sourceFixture() {
  const closing: (() => unknown)[] = [];
  const notices: EndpointNotice[] = [];
  afterEach(async () => {
    notices.length = 0;
    for (const close of closing.splice(0).reverse()) await close();
  });
  return {
    notices,
    async serve(chain: Chain): Promise<ChainServer> {
      const server = await ChainServer.start(chain);
      closing.push(() => server.close());
      return server;
    },
    open(rpcUrls: readonly RpcEndpoint[], options: Partial<SourceOptions> = {}, deps: SourceDeps = {}): Source {
      const source = createSource(
        { chainId: 31_337, rpcUrls, requestTimeoutMs: 20_000, pollIntervalMs: 20, ...options },
        { notice: (notice) => notices.push(notice), ...deps },
      );
      closing.push(() => source.close());
      return source;
    },
  };
}
