import { expect, test } from 'vitest';
import { resolveConfig } from '../../../indexer/config/resolve.ts';
import type { LogSpec } from '../../kit/chain.ts';
import type { Daemon } from '../../kit/daemon.ts';
import { encodeEvent, hexOf } from '../../kit/event-logs.ts';
import { DIVIDENDS, MASTER, WALLETS } from '../../kit/music.ts';
import { EVENT_ABIS, type EventName } from '../../kit/oracle/events.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { until } from '../../kit/until.ts';

const [OWNER, OTHER] = WALLETS as [`0x${string}`, `0x${string}`];
const LARGE = 5_000n;

const event = (address: `0x${string}`, name: EventName, args: Readonly<Record<string, unknown>>): LogSpec => ({
  address,
  ...encodeEvent(EVENT_ABIS[name], args),
});
const paused = () => event(MASTER, 'Paused', { account: OWNER });
const claim = (amount: bigint) => event(DIVIDENDS, 'DividendClaimed', { holder: OTHER, tokenId: 1n, amount });

const alarmsIn = async (daemon: Daemon) =>
  (await daemon.metrics()).filter((line) => /^indexer_(administrative_events|large_claims)_total/.test(line));
const counter = (name: string, severity: string, count: number) =>
  `indexer_administrative_events_total{chain="31337",event="${name}",severity="${severity}"} ${count}`;

test('an operator learns of administrative calls and large claims at the head, but not of those in history', async () => {
  const chain = busyChain();
  chain.append({ logs: [paused(), claim(LARGE)] }, {}, {});
  chain.finalized = chain.head.number - 1;
  const { daemon, settled } = await follow({ chain, settings: { largeClaimWei: String(LARGE) } });
  // Each counter is exposed before its first alarm, because Prometheus compares a counter with its previous value.
  const before = await alarmsIn(daemon);
  await settled();
  expect(await alarmsIn(daemon)).toEqual(before);
  expect(before).toContain(counter('Paused', 'critical', 0));
  expect(before).toContain('indexer_large_claims_total{chain="31337"} 0');

  const granted = event(MASTER, 'RoleGranted', { role: hexOf(5, 64), account: OTHER, sender: OWNER });
  const changed = event(DIVIDENDS, 'OwnershipTransferred', { previousOwner: OWNER, newOwner: OTHER });
  chain.append({ logs: [paused(), granted, changed, claim(LARGE - 1n), claim(LARGE), claim(LARGE + 1n)] });
  await settled();
  const expected = [
    counter('Paused', 'critical', 1),
    counter('OwnershipTransferred', 'critical', 1),
    counter('RoleGranted', 'high', 1),
    counter('Upgraded', 'critical', 0),
    'indexer_large_claims_total{chain="31337"} 2',
  ];
  await until('the alarms to be counted', async () => {
    const lines = new Set(await alarmsIn(daemon));
    return expected.every((line) => lines.has(line));
  });
  const holder = `${OTHER.slice(0, 6)}…${OTHER.slice(-4)}`;
  expect(daemon.logLines('large claim')).toMatchObject(
    chain.head.logs.slice(-2).map(({ transactionHash: transaction }, at) => ({
      ...{ level: 40, holder, transaction, amountWei: String(LARGE + BigInt(at)), leastWei: '5000' },
    })),
  );
  expect(daemon.logLines('large claim', OTHER)).toEqual([]);
});

test.each([['5e3'], [''], ['0'], [5_000]])('a threshold that is no amount of wei is refused: %j', (largeClaimWei) => {
  const env = { DATABASE_URL: 'postgres://host/mirror', RPC_URL_1: 'http://node' };
  const resolve = () => resolveConfig({ chains: { 1: { largeClaimWei } } }, 'local.ts', env, ['chains']);
  expect(resolve).toThrow(/local\.ts chains\.1\.largeClaimWei: must be/);
});
