import { RpcFault } from './chain-rpc.ts';
import type { ChainServer } from './chain-server.ts';

/**
 * Makes a node take `ms` for each `eth_getLogs`, and reject ranges of more than `rangeBlocks` blocks. Filling then takes many slow
 * requests, so that a test can act meanwhile, even on a slow machine. Returns a function that undoes this.
 */
export function slowDown(server: ChainServer, ms: number, rangeBlocks = 50): () => void {
  const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms } });
  server.view.cap = ({ blocks }) => {
    if (blocks > rangeBlocks) throw new RpcFault(-32000, `block range too large, max is ${rangeBlocks} blocks`);
  };
  return () => {
    heal();
    server.view.cap = undefined;
  };
}
