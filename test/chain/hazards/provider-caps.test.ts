import { expect, test } from 'vitest';
import { RpcFault } from '../../kit/chain-rpc.ts';
import { busyChain, follow, serve } from '../../kit/follow.ts';
import { announceAll } from '../../kit/music.ts';
import { PROVIDER_CAPS } from '../../kit/provider-words.ts';
import { expectSettled, truthOf } from '../../kit/settled.ts';

const BLOCKS = 150;
const LIMIT = 20;
/** Providers with caps on blocks, on logs and on response size. Each gets its own chain. */
const PROVIDERS = [
  ...['Alchemy', 'Infura', 'QuickNode', 'Ankr', 'dRPC', 'Chainstack', 'Reth (the range that was refused)'],
  ...['Erigon', 'Nethermind', 'many (backend response)'],
];
const CAPS = PROVIDER_CAPS.filter(({ who }) => PROVIDERS.includes(who));

test('fills history from nodes that refuse ranges in the words of ten providers, with few refusals each', async () => {
  const chains = CAPS.map((_, index) => busyChain(BLOCKS, BLOCKS - 5, 200 + index));
  const servers = await Promise.all(chains.map((chain) => serve(chain)));
  const { daemon, db, artist } = await follow({ beside: servers, announce: false });
  const refused = new Map<string, number>();
  for (const [index, { who, over, code, words }] of CAPS.entries()) {
    servers[index]!.view.cap = (asked) => {
      if ((over === 'blocks' ? asked.blocks : asked.results) <= LIMIT) return;
      refused.set(who, (refused.get(who) ?? 0) + 1);
      throw new RpcFault(code, words(asked, LIMIT));
    };
    await announceAll(db, artist, chains[index]!);
  }
  for (const chain of chains) await expectSettled(db, truthOf(chain));
  expect([...refused.keys()].sort()).toEqual(PROVIDERS.toSorted());
  // The accepted range size is remembered: halving from 2,000 blocks takes a few refusals, not one for every range.
  expect(Math.max(...refused.values())).toBeLessThan(20);
  expect(daemon.isRunning).toBe(true);
});
