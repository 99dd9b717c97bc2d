import { knownChain } from '../config/chains.ts';
import type { RpcEndpoint } from '../config/define.ts';
import type { ChainConfig } from '../config/resolve.ts';
import type { BlockHeader } from '../kernel/chain.ts';
import { messageOf, RpcError } from '../kernel/errors.ts';
import { type Client, createClient } from '../rpc/client.ts';
import { parseHeader } from '../source/parse.ts';
import { examineLogs, quantity, type Subject } from './examine-logs.ts';
import { Examination, type Finding, failed, type Outcome, ok, warning } from './finding.ts';

const REQUEST_TIMEOUT_MS = 10_000;
const LATENCY_SAMPLES = 3;
const LATENCY_MAX_MS = 1_000;
/** A head is too old if its age exceeds both the time that the chain takes for this many blocks and `HEAD_AGE_MAX_MS`. */
const HEAD_AGE_MAX_BLOCKS = 20;
const HEAD_AGE_MAX_MS = 60_000;
/** Nodes without an archive keep the state of the newest 128 blocks only. */
const RECENT_STATE_BLOCKS = 128;
/** An arbitrary address, for requests whose result does not matter. */
const ADDRESS = `0x${'00'.repeat(19)}01`;

/** Checks what one endpoint of a chain serves. Changes nothing. */
export async function examineEndpoint(
  endpoint: RpcEndpoint,
  index: number,
  chain: ChainConfig,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const label = `${chain.variable}${chain.rpcUrls.length > 1 ? `, endpoint ${index + 1}` : ''}`;
  const client = createClient(endpoint, index, REQUEST_TIMEOUT_MS, chain.proxy, label);
  const examination = new Examination(`${label} (${client.name})`, signal);
  try {
    const serves = await examination.check('chain id', 'failed', (within) => checkChainId(client, chain, within));
    if (!serves) return examination.findings;
    await examination.check('latency', 'warning', (within) => checkLatency(client, within));
    let head: BlockHeader | undefined;
    await examination.check('head', 'failed', async (within) => {
      head = await readBlock(client, chain, 'latest', within);
      if (head === undefined) return failed('it has no newest block', 'wait until the node has begun to synchronise');
      return judgeHead(head, Date.now(), knownChain(chain.chainId)?.blockTimeMs);
    });
    if (head === undefined) return examination.findings;
    const subject = { client, chain, head };
    for (const tag of ['finalized', 'safe'] as const)
      await examination.check(`${tag} block`, 'warning', (within) => checkTag(subject, tag, within));
    await examination.check('old blocks', 'warning', (within) => checkOldBlocks(subject, within));
    await examination.check('old state', 'warning', (within) => checkOldState(subject, within));
    await examineLogs(examination, subject);
    await examination.check('batches', 'warning', (within) => checkBatches(subject, within));
    await examination.check('subscription', 'warning', () => checkSubscription(subject));
    return examination.findings;
  } finally {
    client.close();
  }
}

async function checkChainId(client: Client, { chainId }: ChainConfig, signal: AbortSignal): Promise<Outcome> {
  const served = Number(await client.request('eth_chainId', [], { signal }));
  if (served === chainId) return ok(`serves chain ${chainId}`);
  const advice = `correct the URL, or name it RPC_URL_${served}`;
  return { ...failed(`serves chain ${served}, not ${chainId}`, advice), stopsChain: true };
}

async function checkLatency(client: Client, signal: AbortSignal): Promise<Outcome> {
  const times: number[] = [];
  for (let sample = 0; sample < LATENCY_SAMPLES; sample++) {
    const startedAt = performance.now();
    await client.request('eth_blockNumber', [], { signal });
    times.push(performance.now() - startedAt);
  }
  const median = Math.round(times.sort((a, b) => a - b)[Math.floor(LATENCY_SAMPLES / 2)] ?? 0);
  if (median <= LATENCY_MAX_MS) return ok(`${median} ms`);
  return warning(`${median} ms`, 'use an endpoint that is closer, or less busy');
}

async function readBlock(
  { name, label, request }: Client,
  { chainId }: ChainConfig,
  block: string,
  signal: AbortSignal,
): Promise<BlockHeader | undefined> {
  const raw = await request('eth_getBlockByNumber', [block, false], { signal });
  return raw === null ? undefined : parseHeader(raw, { name, label, chainId });
}

/** Judges how old the head of an endpoint is at the time `nowMs`. If the block time of the chain is not known, no head is too old. */
export function judgeHead(
  { number, timestamp }: Pick<BlockHeader, 'number' | 'timestamp'>,
  nowMs: number,
  blockTimeMs: number | undefined,
): Outcome {
  const ageMs = nowMs - timestamp * 1_000;
  const found = `block ${number}, ${Math.round(ageMs / 1_000)} s old`;
  if (ageMs < -HEAD_AGE_MAX_MS) return warning(found, 'synchronise the clock of this machine (NTP)');
  if (blockTimeMs === undefined || ageMs <= Math.max(HEAD_AGE_MAX_MS, HEAD_AGE_MAX_BLOCKS * blockTimeMs))
    return ok(found);
  return warning(found, 'wait until the node has caught up, or name an endpoint before it that has');
}

async function checkTag(
  { client, chain, head }: Subject,
  tag: 'finalized' | 'safe',
  signal: AbortSignal,
): Promise<Outcome> {
  const without =
    tag === 'finalized'
      ? `the block ${chain.confirmations} below the head counts as finalized`
      : 'the views of safe rows stay where they are';
  const advice = tag === 'finalized' ? 'check that confirmations fits the chain, or use another endpoint' : undefined;
  try {
    const block = await readBlock(client, chain, tag, signal);
    if (block === undefined) return warning(`the tag is not served: ${without}`, advice);
    if (block.number === 0 && head.number > chain.confirmations)
      return warning(`the tag is always block 0: ${without}`, advice);
    return ok(`block ${block.number}, ${head.number - block.number} below the head`);
  } catch (error) {
    return warning(`${messageOf(error)}: ${without}`, advice);
  }
}

async function checkOldBlocks({ client, chain, head }: Subject, signal: AbortSignal): Promise<Outcome> {
  const advice = 'fill history with an endpoint that keeps all blocks and receipts';
  const first = Math.min(1, head.number);
  const block = await readBlock(client, chain, quantity(first), signal);
  if (block === undefined) return warning(`block ${first} is gone`, advice);
  const filter = { fromBlock: quantity(first), toBlock: quantity(first), address: ADDRESS };
  const calls = [
    client.request('eth_getBlockReceipts', [quantity(first)], { signal }),
    client.request('eth_getLogs', [filter], { signal }),
  ];
  for (const [at, answer] of (await Promise.allSettled(calls)).entries()) {
    const isGone =
      answer.status === 'fulfilled'
        ? answer.value === null
        : answer.reason instanceof RpcError && answer.reason.kind === 'pruned';
    if (isGone) return warning(`the ${at === 0 ? 'receipts' : 'logs'} of block ${first} are gone`, advice);
  }
  return ok(`block ${first} is served`);
}

async function checkOldState({ client, head }: Subject, signal: AbortSignal): Promise<Outcome> {
  if (head.number <= RECENT_STATE_BLOCKS) return ok('the chain is too short to tell');
  try {
    // Ask for a nonce, because some nodes answer eth_getCode although they do not have the state of the block.
    await client.request('eth_getTransactionCount', [ADDRESS, quantity(1)], { signal });
    return ok('it is an archive');
  } catch (error) {
    return warning(
      `it is no archive (${messageOf(error)}): deployment blocks are not found, and history is verified near the head only`,
      'name the deployment block of each contract (--from-block), or use an archive endpoint',
    );
  }
}

async function checkBatches({ client }: Subject, signal: AbortSignal): Promise<Outcome> {
  if (client.batch === undefined) return ok('a viem transport sends its calls one by one; a URL is faster');
  const advice = 'requests go out one by one; prefer an endpoint with batches for filling history';
  const calls = ['eth_chainId', 'eth_blockNumber'].map((method) => ({ method, params: [] }));
  try {
    const answers = await client.batch(calls, signal);
    return answers.every((answer) => 'result' in answer)
      ? ok('supported')
      : warning('not all calls are answered', advice);
  } catch (error) {
    return warning(`not supported: ${messageOf(error)}`, advice);
  }
}

async function checkSubscription({ client, chain }: Subject): Promise<Outcome> {
  const polled = `the head is polled every ${chain.pollIntervalMs} ms`;
  if (client.subscribe === undefined) return ok(`not a WebSocket: ${polled}`);
  try {
    const unsubscribe = await client.subscribe(
      () => undefined,
      () => undefined,
    );
    unsubscribe();
    return ok('new heads are announced');
  } catch (error) {
    return warning(
      `${messageOf(error)}: ${polled}`,
      'use the WebSocket URL of an endpoint that supports eth_subscribe',
    );
  }
}
