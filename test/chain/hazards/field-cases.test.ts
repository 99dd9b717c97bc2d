import { expect, test } from 'vitest';
import type { Hex } from '../../../indexer/kernel/chain.ts';
import type { Chain } from '../../kit/chain.ts';
import { RpcFault } from '../../kit/chain-rpc.ts';
import type { ChainServer } from '../../kit/chain-server.ts';
import { runCommand } from '../../kit/command-line.ts';
import { announceAll, busyBlocks, SUBJECTS } from '../../kit/music.ts';
import { compareWithChain, describeComparison } from '../../kit/oracle/check-database.ts';
import { busyChain, type FollowedScene, follow, serve } from '../../kit/scene.ts';
import { atHead, expectFactsAsCovered, expectSettled, liveChainOf } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const BLOCKS = 60;
const FINALIZED = 50;
const PRUNED_BELOW = 30;
/** A node's answers must never delay the head by more than this. */
const LATE_MAX_MS = 10_000;
const MORE_CONTRACTS = 8;
const addressOf = (number: number): Hex => `0x${number.toString(16).padStart(40, '0')}`;
const ZERO_HASH: Hex = `0x${'0'.repeat(64)}`;

type Json = Record<string, unknown>;
type Answer = (honest: unknown, params: readonly unknown[]) => unknown;

function change(server: ChainServer, method: string, result: Answer): void {
  server.misbehave({
    methods: [method],
    do: { kind: 'result', result: (honest, params) => result(structuredClone(honest), params) },
  });
}

const changeLogs = (server: ChainServer, to: (logs: Json[], params: readonly unknown[]) => unknown) =>
  change(server, 'eth_getLogs', (logs, params) => to(logs as Json[], params));

/** Makes a server reject requests with each of the errors in turn. */
function refuse(
  server: ChainServer,
  methods: readonly string[],
  errors: readonly (readonly [number, string])[],
  when: (params: readonly unknown[]) => boolean,
): void {
  let turn = -1;
  for (const [at, [code, message]] of errors.entries()) {
    const isTurn = (params: readonly unknown[]) => {
      if (!when(params)) return false;
      // A server asks its faults in this order, so the first fault advances the turn.
      if (at === 0) turn = (turn + 1) % errors.length;
      return turn === at;
    };
    server.misbehave({ methods, when: isTurn, do: { kind: 'error', code, message } });
  }
}

const blockOf = (tag: unknown) => (typeof tag === 'string' && tag.startsWith('0x') ? Number(tag) : undefined);
const isEven = (log: Json) => Number(log.blockNumber) % 2 === 0;
const countAnew = (log: Json) => (Number(log.transactionIndex) === 1 ? { ...log, logIndex: '0x0' } : log);
const byHash = { requests: 0 };

/** The misbehaviour of each chain's node, in history and at the head alike. All rows must be right nevertheless. */
const CASES: Readonly<Record<string, (server: ChainServer) => void>> = {
  'answers [] for the hash of a block that it does not have, with blooms of zeros': (server) => {
    server.view.zeroBlooms = true;
    changeLogs(server, (logs, [filter]) => ('blockHash' in (filter as object) ? [] : logs));
  },
  'takes three addresses at most, and says so in four ways': (server) =>
    refuse(
      server,
      ['eth_getLogs'],
      [
        [-32701, 'Please, specify less number of addresses'],
        [-32000, 'exceed max addresses or topics per search position'],
        [-32000, 'query exceeds the maximum of 3 addresses or topics per search position'],
        [-32602, 'invalid argument 0: exceed max addresses'],
      ],
      ([filter]) => {
        const { address = [], blockHash } = filter as { address?: Hex[]; blockHash?: Hex };
        if (blockHash !== undefined && address.length <= 3) byHash.requests += 1;
        return address.length > 3;
      },
    ),
  'serves no logs': (server) => refuse(server, ['eth_getLogs'], [[-32005, 'limit exceeded']], () => true),
  'gives logs newest first': (server) => changeLogs(server, (logs) => logs.toReversed()),
  'gives a log index twice, or a log twice': (server) =>
    changeLogs(server, (logs) => logs.flatMap((log) => (isEven(log) ? [countAnew(log)] : [log, log]))),
  'refuses the logs of any block by size, and gives too few receipts of a block, none, or an error': (server) => {
    server.view.cap = () => {
      throw new RpcFault(-32005, 'query returned more than 10000 results');
    };
    change(server, 'eth_getBlockReceipts', (receipts, [tag]) => {
      const form = (blockOf(tag) ?? 0) % 3;
      if (form === 2) throw new RpcFault(-32000, 'receipts length mismatch: 1 vs 0');
      return form === 1 ? null : (receipts as unknown[] | null)?.slice(0, -1);
    });
  },
  'does not know its finalized block': (server) =>
    refuse(
      server,
      ['eth_getBlockByNumber'],
      [
        [-32603, 'invalid block height: 57603085'],
        [-32603, 'Internal error'],
        [-32000, 'unsupported block tag: finalized'],
      ],
      ([tag]) => tag === 'finalized',
    ),
  'has deleted its old state, and says so in other words': (server) => {
    for (const { address } of SUBJECTS) server.chain.code.set(address, 0);
    refuse(
      server,
      ['eth_getCode', 'eth_call'],
      [
        [-32000, 'state does not maintain archive data'],
        [-32000, 'node is running with state pruning'],
        [-32000, 'World state unavailable'],
        [-32000, 'height 100 is not available, lowest height is 872'],
      ],
      ([, tag]) => (blockOf(tag) ?? BLOCKS) < BLOCKS - 10,
    );
  },
  'gives logs without a transaction, or with a zero block hash': (server) =>
    changeLogs(server, (logs) =>
      logs.map(({ transactionHash, ...log }) =>
        isEven(log) ? log : { ...log, transactionHash, blockHash: ZERO_HASH },
      ),
    ),
};

/** Leaves the logs of some blocks out of every answer for a range. */
function makeHoles(server: ChainServer): void {
  server.view.hiddenLogs = new Set([7, 8, 9, 23, 24, 41]);
}

/** Deletes the receipts of old blocks, and answers `[]` for their logs. */
function deleteReceipts(server: ChainServer): void {
  const isKept = ({ blockNumber }: Json) => Number(blockNumber) >= PRUNED_BELOW;
  changeLogs(server, (logs) => logs.filter(isKept));
  change(server, 'eth_getBlockReceipts', (receipts, [tag]) =>
    (blockOf(tag) ?? BLOCKS) < PRUNED_BELOW ? null : receipts,
  );
  change(server, 'eth_getTransactionReceipt', (receipt) => (isKept(receipt as Json) ? receipt : null));
}

function countMilliseconds(server: ChainServer): void {
  for (const method of ['eth_getBlockByNumber', 'eth_getBlockByHash']) {
    change(server, method, (honest) => {
      const block = honest as Json | null;
      return block && { ...block, timestamp: `0x${(Number(block.timestamp) * 1_000).toString(16)}` };
    });
  }
}

async function ready({ daemon }: FollowedScene, { chainId }: Chain): Promise<string | undefined> {
  return (await daemon.ready()).chains[chainId];
}

async function addContract({ url }: FollowedScene, chainId: number, address: Hex, ...more: string[]): Promise<void> {
  const args = ['contracts', 'add', 'dividend', address, '--chain', String(chainId), ...more];
  expect((await runCommand(args, { DATABASE_URL: url })).code).toBe(0);
}

/** Mines three busy blocks. Returns how long it takes until the last one is stored. */
async function lateness({ db }: FollowedScene, chain: Chain): Promise<number> {
  chain.append(...busyBlocks(chain.chainId)(3));
  const since = performance.now();
  await until(`the head of chain ${chain.chainId}`, () => atHead(db, chain.chainId, chain.head.hash));
  return performance.now() - since;
}

async function holesFound({ db }: FollowedScene, chain: Chain): Promise<void> {
  const live = liveChainOf(chain);
  await until('the holes to be found', async () => {
    const comparison = await compareWithChain(db, live, SUBJECTS);
    return describeComparison(comparison).length === 0;
  });
}

/** Waits until blocks are set aside. Expects them to be only blocks whose receipts are gone, with this as the reason. */
async function deletedReceiptsNamed({ db }: FollowedScene, { chainId }: Chain): Promise<void> {
  const ranges = await until('the deleted receipts to be named', async () => {
    const { rows } = await db.query(
      `select range_to::int as to, reason from indexer.dead_letters where kind = 'job' and chain_id = $1`,
      [chainId],
    );
    return rows.length > 0 && rows;
  });
  for (const { to, reason } of ranges) {
    expect(to).toBeLessThan(PRUNED_BELOW);
    expect(reason).toMatch(/its receipts are gone|the receipts of block \d+ are gone/);
  }
}

/** Expects a chain whose node gives timestamps in milliseconds not to advance, and to report why. */
async function timestampsRefused(scene: FollowedScene, chain: Chain): Promise<void> {
  const refusal = `RPC_URL_${chain.chainId}: gives block ${BLOCKS} the timestamp \\d{13}, which counts milliseconds; use an endpoint that counts seconds`;
  expect(await ready(scene, chain)).toMatch(new RegExp(`^failing: ${refusal}$`));
  const status = scene.run('status');
  expect(await status.exited).toBe(0);
  expect(status.stdout).toMatch(new RegExp(`lag +unknown: ${refusal}`));
  expect(
    (await scene.db.query('select from indexer.block_checkpoints where chain_id = $1', [chain.chainId])).rows,
  ).toEqual([]);
}

test('one daemon meets what nodes did to other indexers: rows are right, and every other chain goes on', async () => {
  const misbehaviours = [...Object.values(CASES), makeHoles, deleteReceipts, countMilliseconds];
  const servers = await Promise.all(misbehaviours.map((_, at) => serve(busyChain(BLOCKS, FINALIZED, 201 + at))));
  for (const [at, misbehave] of misbehaviours.entries()) misbehave(servers[at]!);
  const [holey, pruned, inMilliseconds] = servers.slice(-3) as [ChainServer, ChainServer, ChainServer];
  const odd = servers.slice(0, -3);
  const settings = { pollIntervalMs: 500, proof: { callsPerSecond: 500 } };
  const scene = await follow({ otherChains: servers, announce: false, settings });
  const { db, artist, daemon, chain: healthy } = scene;
  for (const { chain } of [...servers, { chain: healthy }]) await announceAll(db, artist, chain);
  const nodeThat = (beginning: string) =>
    servers[Object.keys(CASES).findIndex((name) => name.startsWith(beginning))] as ChainServer;
  const { chainId: capped } = nodeThat('takes three addresses').chain;
  for (let at = 1; at <= MORE_CONTRACTS; at++) await addContract(scene, capped, addressOf(at), '--from-block', '0');

  // First, history must be complete.
  await scene.settled();
  for (const { chain } of odd) await expectSettled(db, liveChainOf(chain));
  await holesFound(scene, holey.chain);
  await deletedReceiptsNamed(scene, pruned.chain);

  // Then each chain's head must advance in time, one chain after the other.
  const usual = await lateness(scene, healthy);
  byHash.requests = 0;
  for (const { chain } of [...odd, holey, pruned]) {
    expect(await lateness(scene, chain)).toBeLessThan(LATE_MAX_MS + 10 * usual);
  }
  await scene.settled();
  for (const { chain } of [...odd, holey]) await expectSettled(db, liveChainOf(chain));
  expect(byHash.requests).toBeGreaterThan(0);
  await expectFactsAsCovered(db, pruned.chain);

  // Requests for state that the node has deleted do not slow down anything else.
  const withoutState = nodeThat('has deleted its old state');
  withoutState.chain.code.set(addressOf(99), 0);
  await addContract(scene, withoutState.chain.chainId, addressOf(99));
  const asked = withoutState.count('eth_getCode');
  await until('its deployment to be searched', () => withoutState.count('eth_getCode') > asked + 3);
  expect(await lateness(scene, withoutState.chain)).toBeLessThan(LATE_MAX_MS + 10 * usual);
  expect(daemon.logLines('source: endpoint failed', `"chain":${withoutState.chain.chainId},`)).toEqual([]);

  await timestampsRefused(scene, inMilliseconds.chain);
  for (const { chain } of odd) expect(await ready(scene, chain)).toBe('following');

  // The blocks that were left out are filled once the nodes have recovered.
  for (const server of [inMilliseconds, pruned]) server.heal();
  await expectSettled(db, liveChainOf(inMilliseconds.chain));
  const again = scene.run('backfill', '--from-block', '0', '--chain', String(pruned.chain.chainId));
  expect(await again.exited).toBe(0);
  await expectSettled(db, liveChainOf(pruned.chain));
});
