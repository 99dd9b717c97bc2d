import type { BlockHeader, RawLog } from '../kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../kernel/errors.ts';
import { within } from '../kernel/sleep.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import type { EndpointNotice } from '../rpc/notice.ts';
import type { Pool } from '../rpc/pool.ts';
import { readBlockLogs } from './block-logs.ts';
import { readHeader } from './blocks.ts';
import { isAfter, isEqual, type LogAnswer } from './log-answer.ts';
import { toQuantity, type Watched } from './parse.ts';
import type { ReceiptRoots } from './receipts-root.ts';
import { requestLogs } from './request-logs.ts';
import { areEqualLogs, setAsideForLogs } from './wrong-logs.ts';

/** `compare` waits for the second endpoint's answer as long as has passed since the request was sent, but at least this long. */
const GRACE_MIN_MS = 500;
/** The same for proofs, for which no block waits to be committed. */
const PATIENT_GRACE_MIN_MS = 5_000;
/** Pause before an endpoint that gave no answer is asked again. Doubles with every further failure in a row. */
const PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 600_000;
/** Maximum number of remembered blocks for which endpoints gave different logs. */
const DISPUTES_MAX = 10_000;
/** Maximum number of blocks per answer that are disputed only because the second endpoint lacks their logs. It may lack all logs. */
const SECOND_LACKS_MAX = 64;

type Blocks = { readonly from: number; readonly to: number };

/** Blocks for which two endpoints gave different logs. */
export type Dispute = {
  /**
   * Compares both answers with `truth`, the logs of the receipts. The endpoint that was wrong is put into quarantine.
   *
   * @throws {RpcInconsistency} if the receipts of a block are not proved by its receipts root and have too few logs: fewer than the first
   * endpoint gave, or fewer than the second one gave. The latter counts only if the second endpoint has these logs in its own receipts too.
   * Another endpoint may have the right receipts.
   */
  settle(truth: readonly RawLog[], signal: AbortSignal | undefined): Promise<void>;
};

/** The comparison of the logs of two endpoints. */
export type Comparison = {
  /** Returns whether the second endpoint was asked for the logs of a block. It may serve fewer blocks at once than the first one. */
  covers(block: number): boolean;
  /** Returns whether the second endpoint gave the same logs of a block. */
  confirms(block: number): boolean;
  /** The blocks of which the second endpoint gave logs that contradict each other or may be incomplete. */
  readonly doubtful: ReadonlySet<number>;
  /** Set if the second endpoint gave other logs. */
  readonly dispute: Dispute | undefined;
};

/** A request for logs that was sent to a second endpoint. */
export type SecondAnswer = {
  /**
   * Compares the answer of the first endpoint with that of the second one. Returns undefined if the second one did not answer in time, or
   * gave other logs but does not have the blocks.
   *
   * @param end the last block of the first answer. If a second endpoint that gave other logs lacks this block, its answer is ignored.
   * @param isPatient whether to wait at least for some seconds, because no block waits to be committed
   */
  compare(first: LogAnswer, end: BlockHeader, isPatient: boolean): Promise<Comparison | undefined>;
};

/** Asks a second endpoint for the logs that a first one is asked for. */
export type SecondEndpoints = {
  /**
   * Requests the logs from another endpoint than `first`: of all blocks, or of as many as it accepts in one request. Returns undefined if
   * no other endpoint can be expected to answer at once.
   */
  ask(first: Endpoint, blocks: Blocks, watched: Watched, signal: AbortSignal | undefined): SecondAnswer | undefined;
  /** Returns the blocks of a range for which endpoints gave different logs. */
  disputed(blocks: Blocks): number[];
};

type SecondEndpointDeps = {
  readonly pool: Pool;
  readonly roots: ReceiptRoots;
  readonly notice: (notice: EndpointNotice) => void;
  readonly now: () => number;
  readonly random: () => number;
};

/** Creates the `SecondEndpoints` of a source. It remembers which endpoints gave no answer, and which blocks are disputed. */
export function createSecondEndpoints(deps: SecondEndpointDeps): SecondEndpoints {
  const { pool, now } = deps;
  const pauses = new Map<Endpoint, { readonly failures: number; readonly until: number }>();
  const disputes = new Set<number>();

  const isPaused = (endpoint: Endpoint) => now() < (pauses.get(endpoint)?.until ?? Number.NEGATIVE_INFINITY);

  function pause(endpoint: Endpoint): void {
    // Requests that were in flight together fail together. They count once.
    if (isPaused(endpoint)) return;
    const failures = (pauses.get(endpoint)?.failures ?? 0) + 1;
    pauses.set(endpoint, { failures, until: now() + Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** (failures - 1)) });
  }

  function mayAsk(endpoint: Endpoint, from: number): boolean {
    if (endpoint.quarantine.isActive()) return false;
    const givesLogs = endpoint.delayMs('eth_getLogs') === 0 && endpoint.receiptBlocks === 1;
    return givesLogs && !isPaused(endpoint) && from > endpoint.prunedAt;
  }

  function remember(blocks: Iterable<number>): void {
    for (const block of blocks) disputes.add(block);
    for (const block of disputes) {
      if (disputes.size <= DISPUTES_MAX) break;
      disputes.delete(block);
    }
  }

  return {
    disputed: ({ from, to }) => (disputes.size === 0 ? [] : [...disputes].filter((one) => one >= from && one <= to)),
    ask(first, blocks, watched, signal) {
      const endpoint = pool.endpoints().find((other) => other !== first && mayAsk(other, blocks.from));
      if (endpoint === undefined) return undefined;
      const asked = fittingBlocks(endpoint, blocks, deps.random);
      const stop = new AbortController();
      const startedAt = now();
      const eitherSignal = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
      const answering = askOnce(endpoint, asked, watched, eitherSignal);
      return {
        async compare(answer, end, isPatient) {
          const graceMs = Math.max(isPatient ? PATIENT_GRACE_MIN_MS : GRACE_MIN_MS, now() - startedAt);
          const theirs = await within(graceMs, answering, signal);
          if (theirs === undefined) {
            stop.abort();
            if (!signal?.aborted) pause(endpoint);
            return undefined;
          }
          const blocks = { ...asked, to: Math.min(asked.to, end.number) };
          const { differing, firstLacks } = findDifferences(answer, theirs, blocks);
          if (differing.size > 0 && !(await isWitness(endpoint, theirs, differing, end, signal))) {
            if (!signal?.aborted) pause(endpoint);
            return undefined;
          }
          pauses.delete(endpoint);
          const { doubtful } = theirs;
          const covers = (block: number) => block >= blocks.from && block <= blocks.to;
          const confirms = (block: number) =>
            covers(block) && !answer.doubtful.has(block) && !doubtful.has(block) && !differing.has(block);
          if (differing.size === 0) return { covers, confirms, doubtful, dispute: undefined };
          remember([...firstLacks, ...[...differing].slice(0, SECOND_LACKS_MAX)]);
          const settle: Dispute['settle'] = async (truth, signal) => {
            const evidence = { differing, answer, theirs, truth };
            const wrong = await findWrong(deps, { first, second: endpoint }, evidence, signal);
            if (wrong === undefined) return;
            const given = wrong === endpoint ? theirs.logs : answer.logs;
            setAsideForLogs(wrong, { given, truth }, differing, watched);
          };
          return { covers, confirms, doubtful, dispute: { settle } };
        },
      };
    },
  };
}

/** Returns all blocks or, if the endpoint accepts fewer in one request, as many as it accepts, from a random block on. */
function fittingBlocks(endpoint: Endpoint, { from, to }: Blocks, random: () => number): Blocks {
  const count = Math.min(to - from + 1, endpoint.rangeSize.blocks());
  const others = to - from + 1 - count;
  const begin = from + (others === 0 ? 0 : Math.floor(random() * (others + 1)));
  return { from: begin, to: begin + count - 1 };
}

/** Requests the logs once. If the endpoint does not give them, returns undefined, and remembers a refused range size or a pruned block. */
async function askOnce(
  endpoint: Endpoint,
  asked: Blocks,
  watched: Watched,
  signal: AbortSignal,
): Promise<LogAnswer | undefined> {
  const count = asked.to - asked.from + 1;
  try {
    const answer = await requestLogs(endpoint, endpoint, asked, watched, signal);
    endpoint.rangeSize.accepted(count);
    return answer;
  } catch (error) {
    // Whatever went wrong, the answer of the first endpoint can be used without this one.
    if (!(error instanceof RpcError)) return undefined;
    if (error.kind === 'range-refused' && count > 1) endpoint.rangeSize.rejected(count, error.hintBlocks);
    if (error.kind === 'pruned') endpoint.prunedAt = Math.max(endpoint.prunedAt, asked.from);
    return undefined;
  }
}

/**
 * Returns the blocks for which two answers hold different logs (`differing`), and those among them in which the first answer lacks a log
 * of the second one (`firstLacks`). Leaves out blocks that are doubtful in one of the answers.
 */
function findDifferences(first: LogAnswer, second: LogAnswer, { from, to }: Blocks) {
  const isCompared = ({ blockNumber: block }: RawLog) =>
    block >= from && block <= to && !first.doubtful.has(block) && !second.doubtful.has(block);
  const [secondLacks, firstLacks] = [new Set<number>(), new Set<number>()];
  const theirs = second.logs.filter(isCompared);
  let at = 0;
  for (const log of first.logs) {
    if (!isCompared(log)) continue;
    for (let other = theirs[at]; other !== undefined && isAfter(log, other); other = theirs[++at]) {
      firstLacks.add(other.blockNumber);
    }
    const other = theirs[at];
    if (other !== undefined && isEqual(log, other)) at++;
    else secondLacks.add(log.blockNumber);
  }
  for (const { blockNumber } of theirs.slice(at)) firstLacks.add(blockNumber);
  return { differing: new Set([...firstLacks, ...secondLacks]), firstLacks };
}

/**
 * Returns whether an endpoint has the blocks that it was asked for. It must have block `end`. If it gave no logs of some of the blocks that
 * differ, it must not lack the receipts of the first of these.
 */
async function isWitness(
  endpoint: Endpoint,
  { logs }: LogAnswer,
  differing: ReadonlySet<number>,
  end: BlockHeader,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    if ((await readHeader(endpoint, end.number, signal))?.hash !== end.hash) return false;
  } catch {
    return false;
  }
  const withLogs = new Set(logs.map(({ blockNumber }) => blockNumber));
  const lacking = [...differing].find((block) => !withLogs.has(block));
  if (lacking === undefined || endpoint.unsupported.blockReceipts) return true;
  return endpoint.request('eth_getBlockReceipts', [toQuantity(lacking)], { signal }).then(
    (receipts) => receipts !== null,
    (error: unknown) => !(error instanceof RpcError && error.kind === 'pruned'),
  );
}

type Evidence = {
  readonly differing: ReadonlySet<number>;
  readonly answer: LogAnswer;
  readonly theirs: LogAnswer;
  readonly truth: readonly RawLog[];
};

/** Returns the endpoint whose logs of the disputed blocks are wrong; the second one if both are wrong, undefined if neither is. */
async function findWrong(
  { roots, notice }: SecondEndpointDeps,
  { first, second }: { readonly first: Endpoint; readonly second: Endpoint },
  { differing, answer, theirs, truth }: Evidence,
  signal: AbortSignal | undefined,
): Promise<Endpoint | undefined> {
  const ofBlocks = (logs: readonly RawLog[]) => logs.filter(({ blockNumber }) => differing.has(blockNumber));
  const [ours, others, proved] = [ofBlocks(answer.logs), ofBlocks(theirs.logs), ofBlocks(truth)];
  const countOf = (logs: readonly RawLog[], block: number) => logs.filter((log) => log.blockNumber === block).length;
  const unproved = [...differing].filter((block) => !roots.isStandardAt(block));
  const lacks = (logs: readonly RawLog[]) => unproved.find((block) => countOf(proved, block) < countOf(logs, block));
  const oursLacking = lacks(ours);
  if (oursLacking !== undefined) throw withoutLogs(oursLacking);
  const othersLacking = lacks(others);
  if (othersLacking !== undefined) {
    const claimed = others.filter(({ blockNumber }) => blockNumber === othersLacking);
    if (await holdsInReceipts({ roots }, second, claimed, signal)) throw withoutLogs(othersLacking);
  }
  const isWrong = (logs: readonly RawLog[]) => !areEqualLogs(logs, proved);
  const detail = `its logs of ${differing.size} blocks (${[...differing][0]}, …) differ from another endpoint's and from receipts`;
  const wrong = [...(isWrong(ours) ? [first] : []), ...(isWrong(others) ? [second] : [])];
  for (const { name } of wrong) notice({ event: 'inconsistent response', endpoint: name, detail });
  return wrong.at(-1);
}

function withoutLogs(number: number): RpcInconsistency {
  return new RpcInconsistency('receipts that no root proves have fewer logs than an endpoint gave', {
    context: { number },
  });
}

/** Returns whether an endpoint's own receipts hold the logs that it gave of a block. If they do not, it contradicts itself. */
async function holdsInReceipts(
  deps: Pick<SecondEndpointDeps, 'roots'>,
  endpoint: Endpoint,
  claimed: readonly RawLog[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const [{ blockNumber: number, blockHash: hash }] = claimed as [RawLog];
  try {
    const { logs } = await readBlockLogs(deps, endpoint, { number, hash }, signal);
    return claimed.every((log) => logs.some((other) => isEqual(log, other)));
  } catch (error) {
    if (error instanceof RpcError || error instanceof RpcInconsistency) return false;
    throw error;
  }
}
