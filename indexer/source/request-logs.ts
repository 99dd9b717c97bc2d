import type { RawLog } from '../kernel/chain.ts';
import { RpcError } from '../kernel/errors.ts';
import type { Endpoint, Requester } from '../rpc/endpoint.ts';
import type { FilterPart } from '../rpc/filter-limit.ts';
import { type AskedLogs, joinAnswers, type LogAnswer, readLogAnswer } from './log-answer.ts';
import { toQuantity, type Watched } from './parse.ts';

/** The blocks that a request asks for: a range, or one block by its hash. */
export type AskedBlocks = { readonly from: number; readonly to: number; readonly hash?: string };

/**
 * Requests the watched logs of some blocks. Sends several requests if the endpoint accepts only few addresses in a filter, or if it cuts
 * long answers without saying so.
 *
 * @param requester sends the requests: the endpoint, or a collector that sends them to it in batches
 * @throws {RpcError} `rejected` if the endpoint refuses every form of the filter, even a single address without topics.
 */
export async function requestLogs(
  endpoint: Endpoint,
  requester: Requester,
  blocks: AskedBlocks,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<LogAnswer> {
  const { addresses, topics } = watched.watch;
  for (;;) {
    const answers: LogAnswer[] = [];
    const parts = endpoint.filterLimit.parts(addresses, topics);
    const refusal = await askAll(parts, async (part) => {
      answers.push(await requestWhole(endpoint, requester, { ...blocks, part }, watched, signal));
    });
    if (refusal === undefined) return joinAnswers(answers);
    if (!endpoint.filterLimit.refused(refusal.part, refusal.error.hintAddresses)) {
      throw new RpcError('rejected', refusal.error.message, { context: refusal.error.context, answered: true });
    }
  }
}

type RefusedPart = { readonly part: FilterPart; readonly error: RpcError };

/** Requests one part of the filter after the other. Returns the first part whose addresses the endpoint refused; undefined if none. */
async function askAll(
  parts: readonly FilterPart[],
  ask: (part: FilterPart) => Promise<void>,
): Promise<RefusedPart | undefined> {
  for (const part of parts) {
    try {
      await ask(part);
    } catch (error) {
      if (error instanceof RpcError && error.kind === 'addresses-refused') return { part, error };
      throw error;
    }
  }
  return undefined;
}

type AskedPart = AskedLogs & Pick<AskedBlocks, 'hash'>;

/**
 * Requests logs. If an answer over several blocks may have been cut, requests the remaining blocks, until an answer adds no log or cannot
 * have been cut.
 */
async function requestWhole(
  endpoint: Endpoint,
  requester: Requester,
  asked: AskedPart,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<LogAnswer> {
  const first = await requestOnce(requester, asked, watched, signal);
  if (!endpoint.answerLimit.mayBeCut(first.count)) {
    endpoint.answerLimit.whole(first.count);
    return first.answer;
  }
  if (asked.from === asked.to) return blockForReceipts(asked, first);
  const answers = [first.answer];
  const unclear = new Set<number>();
  let last = first;
  let [from, to] = [asked.from, asked.to];
  for (;;) {
    const { logs } = last.answer;
    const edge = (last.isDescending ? logs[0] : logs.at(-1))?.blockNumber;
    if (edge === undefined) break;
    // If all logs are in the block at which the answer begins, requesting this block again would give the same logs.
    const isStuck = edge === (last.isDescending ? to : from);
    if (isStuck) unclear.add(edge);
    if (last.isDescending) to = isStuck ? edge - 1 : edge;
    else from = isStuck ? edge + 1 : edge;
    if (from > to) break;
    const more = await requestOnce(requester, { ...asked, from, to }, watched, signal);
    const known = new Set(answers.flatMap((answer) => answer.logs.map(positionOf)));
    if (more.answer.logs.every((log) => known.has(positionOf(log)))) {
      answers.push(more.answer);
      break;
    }
    answers.push(more.answer);
    endpoint.answerLimit.cut(first.count);
    if (!endpoint.answerLimit.mayBeCut(more.count)) break;
    last = more;
  }
  const { logs, doubtful, hasDoubles } = joinAnswers(answers);
  for (const block of doubtful) unclear.add(block);
  return { logs: logs.filter(({ blockNumber }) => !unclear.has(blockNumber)), doubtful: unclear, hasDoubles };
}

/** Returns an answer without logs, so that the caller reads the block's receipts. Another request might be cut at the same log. */
function blockForReceipts({ from, part }: AskedPart, { answer, count }: OneAnswer): LogAnswer {
  const isFiltered = part.addresses !== undefined && part.topics !== undefined;
  return {
    logs: [],
    doubtful: new Set([from]),
    hasDoubles: answer.hasDoubles,
    ...(isFiltered && { mayBeCutAt: count }),
  };
}

/** Remembers whether an answer was cut, now that the logs of its block are known from receipts. */
export function learnFromReceipts({ answerLimit }: Endpoint, { mayBeCutAt }: LogAnswer, logs: readonly RawLog[]): void {
  if (mayBeCutAt === undefined) return;
  if (logs.length > mayBeCutAt) answerLimit.cut(mayBeCutAt);
  else answerLimit.whole(mayBeCutAt);
}

function positionOf({ blockNumber, logIndex }: RawLog): string {
  return `${blockNumber}:${logIndex}`;
}

/** The answer to one request, the number of logs that the endpoint returned, and whether they were in descending order. */
type OneAnswer = { readonly answer: LogAnswer; readonly count: number; readonly isDescending: boolean };

async function requestOnce(
  requester: Requester,
  asked: AskedPart,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<OneAnswer> {
  const { from, to, hash, part } = asked;
  const where = hash === undefined ? { fromBlock: toQuantity(from), toBlock: toQuantity(to) } : { blockHash: hash };
  const address = part.addresses === undefined ? {} : { address: part.addresses };
  const topics = part.topics === undefined ? {} : { topics: [part.topics] };
  const raw = await requester.request('eth_getLogs', [{ ...where, ...address, ...topics }], { signal });
  const answer = readLogAnswer(raw, asked, watched);
  const all = raw as readonly { readonly blockNumber?: unknown }[];
  const isDescending = Number(all[0]?.blockNumber) > Number(all.at(-1)?.blockNumber);
  return { answer, count: all.length, isDescending };
}
