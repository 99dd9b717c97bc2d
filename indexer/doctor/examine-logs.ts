import type { ChainConfig } from '../config/resolve.ts';
import type { BlockHeader } from '../kernel/chain.ts';
import { messageOf, RpcError } from '../kernel/errors.ts';
import type { Client } from '../rpc/client.ts';
import { type Examination, failed, type Outcome, ok, warning } from './finding.ts';

/** The sizes of block ranges for which logs are requested, in this order, until the endpoint accepts one. */
const RANGE_SIZES = [10_000, 2_000, 1_000, 500, 100, 10, 1];
/** If an endpoint accepts only ranges smaller than this, history fills slowly. */
const RANGE_MIN_BLOCKS = 100;
/** The maximum number of the newest blocks in which a check looks for a log. */
const SEARCHED_BLOCKS = 5;
/** An address without logs. If a request for its logs is refused, the number of blocks is the cause, and not the size of the result. */
const ADDRESS = `0x${'00'.repeat(19)}01`;
const NO_RECEIPTS =
  'receipts are read one by one, which takes many calls; prefer an endpoint with eth_getBlockReceipts';

/** An endpoint under examination, the chain that it should serve, and the newest block that it knows. */
export type Subject = { readonly client: Client; readonly chain: ChainConfig; readonly head: BlockHeader };

/** The members of a log that the checks read. */
type Log = { readonly address?: unknown; readonly blockHash?: unknown; readonly blockTimestamp?: unknown };

/** Returns a number as hexadecimal text, the form of numbers in JSON-RPC. */
export function quantity(number: number): string {
  return `0x${number.toString(16)}`;
}

/** Checks how an endpoint serves receipts and logs. */
export async function examineLogs(examination: Examination, subject: Subject): Promise<void> {
  let hasReceipts = false;
  let sample: Log | undefined;
  await examination.check('receipts of a block', 'warning', async (signal) => {
    const { found, outcome } = await readReceipts(subject, signal);
    [hasReceipts, sample] = [outcome.status === 'ok', found];
    return outcome;
  });
  let timestamps: Outcome | undefined;
  await examination.check('logs by block hash', 'warning', async (signal) => {
    const { logs, outcome } = await readByHash(subject, sample, signal);
    if (logs.length > 0) timestamps = judgeTimestamps(logs);
    return outcome;
  });
  await examination.check(
    'timestamps in logs',
    'warning',
    async () => timestamps ?? ok('no log in the newest blocks to tell'),
  );
  await examination.check('logs by range', 'warning', async (signal) => {
    const outcome = await findRangeSize(subject, signal);
    return outcome ?? noLogs(hasReceipts);
  });
}

function noLogs(hasReceipts: boolean): Outcome {
  if (hasReceipts)
    return warning(
      'refused: logs are read from receipts, which takes many calls',
      'prefer an endpoint with eth_getLogs',
    );
  return failed('the endpoint serves neither logs nor receipts of a block', 'use another endpoint');
}

/** Checks the receipts of the newest block, and returns a log (`found`) from the receipts of the newest block that has logs. */
async function readReceipts(
  { client, head }: Subject,
  signal: AbortSignal,
): Promise<{ readonly found: Log | undefined; readonly outcome: Outcome }> {
  let outcome: Outcome | undefined;
  for (let number = head.number; number > head.number - SEARCHED_BLOCKS && number >= 0; number--) {
    let receipts: unknown;
    try {
      receipts = await client.request('eth_getBlockReceipts', [quantity(number)], { signal });
    } catch (error) {
      return { found: undefined, outcome: outcome ?? warning(messageOf(error), NO_RECEIPTS) };
    }
    if (!Array.isArray(receipts))
      return { found: undefined, outcome: outcome ?? warning('the answer is no list', NO_RECEIPTS) };
    outcome ??=
      head.transactionCount === undefined || receipts.length === head.transactionCount
        ? ok('supported')
        : warning(`${receipts.length} receipts for ${head.transactionCount} transactions`, NO_RECEIPTS);
    const logs = receipts.flatMap((receipt: { readonly logs?: readonly Log[] }) => receipt?.logs ?? []);
    if (logs[0] !== undefined) return { found: logs[0], outcome };
  }
  return { found: undefined, outcome: outcome ?? ok('the chain is too short to tell') };
}

async function readByHash(
  { client, head }: Subject,
  sample: Log | undefined,
  signal: AbortSignal,
): Promise<{ readonly logs: readonly Log[]; readonly outcome: Outcome }> {
  const filter = { blockHash: sample?.blockHash ?? head.hash, address: sample?.address ?? ADDRESS };
  const advice = 'blocks near the head are read from receipts; prefer an endpoint that takes blockHash in eth_getLogs';
  try {
    const logs = await client.request('eth_getLogs', [filter], { signal });
    if (!Array.isArray(logs)) return { logs: [], outcome: warning('the answer is no list', advice) };
    if (sample !== undefined && logs.length === 0)
      return {
        logs,
        outcome: warning('no logs for a block whose receipts hold some', 'use another endpoint: this one hides logs'),
      };
    return { logs, outcome: ok('supported') };
  } catch (error) {
    return { logs: [], outcome: warning(messageOf(error), advice) };
  }
}

function judgeTimestamps(logs: readonly Log[]): Outcome {
  if (logs.every(({ blockTimestamp }) => typeof blockTimestamp === 'string')) return ok('supported');
  return warning(
    'logs do not name the timestamps of their blocks, so their headers are read as well',
    'filling history takes fewer calls with an endpoint that gives blockTimestamp',
  );
}

/** Finds the largest of `RANGE_SIZES` that the endpoint accepts, and judges it. Returns undefined if even one block is refused. */
async function findRangeSize({ client, head }: Subject, signal: AbortSignal): Promise<Outcome | undefined> {
  let refusal = '';
  for (const size of RANGE_SIZES.filter((blocks) => blocks <= head.number + 1)) {
    const filter = { fromBlock: quantity(head.number + 1 - size), toBlock: quantity(head.number), address: ADDRESS };
    try {
      await client.request('eth_getLogs', [filter], { signal });
    } catch (error) {
      if (!(error instanceof RpcError) || error.kind === 'unavailable' || error.kind === 'rate-limited') throw error;
      // A range that reaches into pruned history is refused for that reason, not for its size.
      if (error.kind !== 'pruned') refusal ||= messageOf(error);
      continue;
    }
    if (size >= RANGE_MIN_BLOCKS || refusal === '')
      return ok(`ranges of ${size} blocks and perhaps more${refusal === '' ? '' : `; not all: ${refusal}`}`);
    return warning(
      `ranges of ${size} blocks at most (${refusal})`,
      'history fills slowly; use a plan or an endpoint with larger ranges',
    );
  }
  return undefined;
}
