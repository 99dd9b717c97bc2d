import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Fault } from '../../kit/chain-server.ts';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow, serve } from '../../kit/scene.ts';
import { atHead, expectSettled, liveChainOf } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const OUTAGE_MS = 30_000;
const BLOCK_INTERVAL_MS = 200;
/** On an idle machine a healthy node gets 30 requests a second, and a failing one 2. */
const FAILING_PER_SECOND_MAX = 12;
const RESUME_MAX_MS = 30_000;

const OUTAGES: readonly { readonly how: string; readonly fault: Fault['do'] }[] = [
  { how: 'JSON-RPC errors', fault: { kind: 'error', code: -32000, message: 'internal server trouble' } },
  { how: '429', fault: { kind: 'http', status: 429, body: 'Too Many Requests' } },
  { how: '502', fault: { kind: 'http', status: 502, body: '<html>Bad Gateway</html>' } },
  { how: 'truncated JSON', fault: { kind: 'truncate' } },
  { how: 'no response', fault: { kind: 'hang' } },
];

test('the daemon asks less during errors, 429, 502, truncated JSON or silence of a node, and is at the head within 30 s afterwards', async () => {
  // One process follows one chain for each kind of outage.
  const chains = OUTAGES.map((_, index) => busyChain(30, 8, 100 + index));
  const [first, ...otherChains] = await Promise.all(chains.map((chain) => serve(chain)));
  const { server, db, daemon } = await follow({ chain: chains[0]!, otherChains });
  const servers = [server, ...otherChains];
  expect(first!.chain).toBe(server.chain);
  const blocks = busyBlocks(9);
  for (const chain of chains) await expectSettled(db, liveChainOf(chain));
  for (const [index, { fault }] of OUTAGES.entries()) servers[index]!.misbehave({ do: fault });
  const end = performance.now() + OUTAGE_MS;
  while (performance.now() < end) {
    for (const chain of chains) chain.append(...blocks(1));
    await wait(BLOCK_INTERVAL_MS);
  }
  const lateRequests = servers.map(
    ({ arrivals }) => arrivals.filter((at) => end - OUTAGE_MS / 2 < at && at < end).length,
  );
  expect(daemon.isRunning).toBe(true);
  for (const node of servers) node.heal();
  const healedAt = performance.now();
  for (const chain of chains) chain.append(...blocks(1));
  for (const { chainId, head } of chains) await until('the head', () => atHead(db, chainId, head.hash));
  expect(performance.now() - healedAt).toBeLessThan(RESUME_MAX_MS);
  for (const [index, { how }] of OUTAGES.entries()) {
    expect(lateRequests[index]!, `requests during ${how}`).toBeLessThan((FAILING_PER_SECOND_MAX * OUTAGE_MS) / 2_000);
    await expectSettled(db, liveChainOf(chains[index]!));
  }
});
