import { expect, test } from 'vitest';
import { RpcFault } from '../../kit/chain-rpc.ts';
import { announceAll } from '../../kit/music.ts';
import { PROVIDER_CAPS } from '../../kit/provider-words.ts';
import { busyChain, follow, serve } from '../../kit/scene.ts';
import { expectSettled, liveChainOf } from '../../kit/settled.ts';

const BLOCKS = 150;
const LIMIT = 20;
const GROWTH_COOLDOWN_MS = 10_000;
/** Providers with caps on blocks, on logs and on response size. Each gets its own chain. */
const PROVIDERS = [
  ...['Alchemy', 'Infura', 'QuickNode', 'Ankr', 'dRPC', 'Chainstack', 'Reth (suggests the rejected range)'],
  ...['Erigon', 'Nethermind', 'many (backend response)'],
];
const CAPS = PROVIDER_CAPS.filter(({ name }) => PROVIDERS.includes(name));

test('fills history from nodes that refuse ranges in the words of ten providers, with few refusals each', async () => {
  const chains = CAPS.map((_, index) => busyChain(BLOCKS, BLOCKS - 5, 200 + index));
  const servers = await Promise.all(chains.map((chain) => serve(chain)));
  const { daemon, db, artist } = await follow({ otherChains: servers, announce: false });
  const refused = new Map<string, number>();
  const startedAt = performance.now();
  for (const [index, { name, cap, code, text }] of CAPS.entries()) {
    servers[index]!.view.cap = (asked) => {
      if ((cap === 'blocks' ? asked.blocks : asked.results) <= LIMIT) return;
      refused.set(name, (refused.get(name) ?? 0) + 1);
      throw new RpcFault(code, text(asked, LIMIT));
    };
    await announceAll(db, artist, chains[index]!);
  }
  for (const chain of chains) await expectSettled(db, liveChainOf(chain));
  expect([...refused.keys()].sort()).toEqual(PROVIDERS.toSorted());
  // The accepted range size is remembered: halving from 2,000 blocks takes a few refusals, not one for every range. A larger size is tried
  // again every ten seconds, so a slow machine sees more refusals.
  const retries = (performance.now() - startedAt) / GROWTH_COOLDOWN_MS;
  expect(Math.max(...refused.values())).toBeLessThan(20 + retries);
  expect(daemon.isRunning).toBe(true);
});
