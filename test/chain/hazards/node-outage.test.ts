import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Fault } from '../../kit/chain-server.ts';
import { busyChain, follow, serve } from '../../kit/follow.ts';
import { busyBlocks } from '../../kit/music.ts';
import { expectSettled, truthOf } from '../../kit/settled.ts';

/** An outage of 30 s would show nothing more: pauses are at their longest before it is over. */
const OUTAGE_MS = 8_000;
const BLOCK_INTERVAL_MS = 400;

const OUTAGES: readonly { readonly how: string; readonly fault: Fault['do'] }[] = [
  { how: 'JSON-RPC errors', fault: { kind: 'error', code: -32000, message: 'internal server trouble' } },
  { how: '429', fault: { kind: 'http', status: 429, body: 'Too Many Requests' } },
  { how: '502', fault: { kind: 'http', status: 502, body: '<html>Bad Gateway</html>' } },
  { how: 'truncated JSON', fault: { kind: 'truncate' } },
  { how: 'no answer at all', fault: { kind: 'hang' } },
];

test('a node answers with errors, 429, 502, truncated JSON, or accepts and never answers', async () => {
  // A chain for each kind of outage, all followed by one process.
  const chains = OUTAGES.map((_, index) => busyChain(30, 8, 100 + index));
  const [first, ...beside] = await Promise.all(chains.map((chain) => serve(chain)));
  const { server, db, daemon } = await follow({ chain: chains[0]!, beside });
  const servers = [server, ...beside];
  expect(first!.chain).toBe(server.chain);
  const blocks = busyBlocks(9);
  /** How often each node was asked in the second half of a time in which its chain goes on. */
  const goOn = async (ms: number): Promise<number[]> => {
    const end = performance.now() + ms;
    while (performance.now() < end) {
      for (const chain of chains) chain.append(...blocks(1));
      await wait(BLOCK_INTERVAL_MS);
    }
    return servers.map(({ arrivals }) => arrivals.filter((at) => at > end - ms / 2).length / (ms / 2));
  };
  for (const chain of chains) await expectSettled(db, truthOf(chain));
  const healthy = await goOn(OUTAGE_MS / 2);
  for (const [index, { fault }] of OUTAGES.entries()) servers[index]!.misbehave({ do: fault });
  const ailing = await goOn(OUTAGE_MS);
  expect(daemon.isRunning).toBe(true);
  for (const one of servers) one.heal();
  for (const chain of chains) chain.append(...blocks(1));
  for (const [index, { how }] of OUTAGES.entries()) {
    expect(ailing[index]!, `requests during ${how}`).toBeLessThan(healthy[index]! / 2);
    await expectSettled(db, truthOf(chains[index]!));
  }
});
