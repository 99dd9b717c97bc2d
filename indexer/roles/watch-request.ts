import {
  type BackfillRequest,
  endRequest,
  type FailedRange,
  failedIn,
  progressOf,
  type RequestProgress,
  statusOf,
} from '../backfill/requests.ts';
import type { Database } from '../db/database.ts';
import { messageOf } from '../kernel/errors.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import type { Runtime } from '../kernel/runtime.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import { readChain } from '../progress/chains.ts';
import { type FailedProof, failedProofs, proofProgress } from '../progress/proof.ts';
import { settleIpoSupplies } from '../registry/ipo-supplies.ts';
import { settleRevenueLinks } from '../registry/revenue-links.ts';
import { advanceStages, Stride } from '../stages/advance-stages.ts';
import { stages } from '../stages/stages.ts';
import type { ChainWork } from './chain-work.ts';
import { type BackfillProgress, ProgressMeter } from './progress-meter.ts';

const CHECK_INTERVAL_MS = 200;
/** The pause after a check is at least this many times as long as the check, which is slow with thousands of contracts. */
const CHECK_PAUSE_FACTOR = 9;
const CHECK_BACKOFF: Backoff = { baseMs: 500, maxMs: 10_000 };
const REPORT_INTERVAL_MS = 1_000;

/** How a request to fill a range ended. */
export type RequestOutcome = {
  readonly request: BackfillRequest;
  /**
   * `complete`: all blocks are covered, and proved if that was requested. `unproved`: all are covered, but some cannot be proved.
   * `incomplete`: some blocks cannot be filled. `stopped`: a signal ended the command. `cancelled`: an operator cancelled the request.
   * `halted`: the chain is halted until an operator repairs it.
   */
  readonly ended: 'complete' | 'unproved' | 'incomplete' | 'stopped' | 'cancelled' | 'halted';
  readonly events: number;
  readonly incomplete: RequestProgress['incomplete'];
  readonly dead: readonly FailedRange[];
  /** The blocks that could not be proved. */
  readonly unproved: readonly FailedProof[];
  /** Why the chain is halted. Undefined unless `ended` is `halted`. */
  readonly reason?: string;
};

/** What `watchRequest` needs. */
export type Watching = {
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly request: BackfillRequest;
  /** Whether the facts of the range must also be compared with the block headers (proved). */
  readonly proved: boolean;
  readonly work: ChainWork;
  readonly events: () => number;
  readonly onProgress: (progress: BackfillProgress) => void;
};

/** Checks coverage until it proves the request complete, or shows that nothing more can be done. */
export async function watchRequest(watching: Watching, signal: AbortSignal): Promise<RequestOutcome> {
  const { database, request, work, events, onProgress, log, runtime } = watching;
  const meter = new ProgressMeter(runtime.now);
  const retry = new Retry(CHECK_BACKOFF, runtime.random);
  let blocksLeft: number | undefined;
  const proving: Proving = { blocksLeft: undefined, isWaiting: false };
  const report = () => {
    if (blocksLeft === undefined) return;
    const { lastBlocks, retries } = work.backfill.figures;
    const proof = blocksLeft > 0 || proving.blocksLeft === undefined ? {} : provedOf(request, proving.blocksLeft);
    onProgress({ ...meter.read(blocksLeft, events()), rangeBlocks: lastBlocks, retries, ...proof });
  };
  // Report on a timer, so that progress is also shown while the database does not answer.
  const reporting = setInterval(report, REPORT_INTERVAL_MS);
  try {
    for (;;) {
      let delayMs: number;
      const begunAt = runtime.now();
      try {
        const left = await progressOf(database.kysely, request);
        const isNews = blocksLeft === undefined || (blocksLeft > 0 && left.blocksLeft === 0);
        blocksLeft = left.blocksLeft;
        if (isNews) report();
        const wasProving = proving.blocksLeft !== undefined;
        const ended = await endOf(watching, left, proving);
        if (ended !== undefined) return ended;
        if (!wasProving && proving.blocksLeft !== undefined) report();
        retry.succeeded();
        delayMs = Math.max(CHECK_INTERVAL_MS, CHECK_PAUSE_FACTOR * (runtime.now() - begunAt));
      } catch (error) {
        delayMs = retry.failed();
        const context = { chain: request.chainId, reason: messageOf(error), retryInMs: delayMs, err: error };
        if (!signal.aborted) log.warn(context, 'checking which blocks are filled failed and is tried again');
      }
      if (signal.aborted)
        return { request, ended: 'stopped', events: events(), incomplete: [], dead: [], unproved: [] };
      await sleep(delayMs, signal);
    }
  } finally {
    clearInterval(reporting);
  }
}

type Proving = {
  /** The number of blocks that are still to be proved. Undefined until all are filled. */
  blocksLeft: number | undefined;
  /** Whether it was logged that the proof waits until the last blocks are final. */
  isWaiting: boolean;
};

/** Returns the progress of the proof of a request whose blocks are filled. */
function provedOf(
  { from, to }: BackfillRequest,
  blocksLeft: number,
): Pick<BackfillProgress, 'blocks' | 'blocksDone' | 'blocksProved'> {
  const blocks = to - from + 1;
  return { blocks, blocksDone: blocks, blocksProved: blocks - blocksLeft };
}

/**
 * Returns how a request ended if its blocks are covered, but not all proved. Undefined if the rest may still be proved. Logs once if only
 * blocks above the finalized block are left.
 */
async function endOfProof(
  { database: { kysely: db }, request, log }: Watching,
  outcome: Omit<RequestOutcome, 'ended'>,
  proving: Proving,
): Promise<RequestOutcome | undefined> {
  if ((await statusOf(db, request.id)) === 'cancelled') return { ...outcome, ended: 'cancelled' };
  const { chainId, to } = request;
  const { halted, finalized = -1 } = await readChain(db, chainId);
  if (halted === undefined && (proving.isWaiting || finalized >= to)) return undefined;
  const below = await proofProgress(db, { ...request, to: Math.min(to, finalized) });
  if (below.blocksToDo > 0) return undefined;
  // Blocks above the finalized block are proved once the follower has raised the finalized block. It does not do so on a halted chain.
  if (halted !== undefined) return { ...outcome, ended: 'halted', reason: halted };
  log.info(
    { chain: chainId, to, finalized },
    'waiting until the last blocks are final, because they are proved only then',
  );
  proving.isWaiting = true;
  return undefined;
}

/** Returns how the request ended; undefined if it has not ended. */
async function endOf(watching: Watching, left: RequestProgress, proving: Proving): Promise<RequestOutcome | undefined> {
  const { database, request, events, log, runtime, proved } = watching;
  const db = database.kysely;
  const outcome = { request, events: events(), incomplete: left.incomplete, dead: [], unproved: [] };
  if (left.blocksLeft === 0) {
    const proof = proved ? await proofProgress(db, request) : { blocksLeft: 0, blocksToDo: 0 };
    if (proved) proving.blocksLeft = proof.blocksLeft;
    if (proof.blocksToDo > 0) return endOfProof(watching, outcome, proving);
    const stride = new Stride(runtime.now);
    for (const { name, error } of await advanceStages(database, { chainId: request.chainId, stages }, stride)) {
      log.warn(
        { chain: request.chainId, stage: name, reason: messageOf(error), err: error },
        'stage failed: its derived tables are not up to date',
      );
    }
    await settleIpoSupplies(database);
    await settleRevenueLinks(database);
    await endRequest(db, request.id, 'finished');
    if (proof.blocksLeft === 0) return { ...outcome, ended: 'complete' };
    return { ...outcome, unproved: await failedProofs(db, request.chainId, request), ended: 'unproved' };
  }
  if (left.blocksToDo === 0) {
    await endRequest(db, request.id, 'failed');
    return { ...outcome, ended: 'incomplete', dead: await failedIn(db, request.chainId, request) };
  }
  if ((await statusOf(db, request.id)) === 'cancelled') return { ...outcome, ended: 'cancelled' };
  const { halted, head } = await readChain(db, request.chainId);
  if (halted === undefined || head === undefined) return undefined;
  const below = await progressOf(db, { ...request, to: Math.min(request.to, head.number) });
  if (below.blocksToDo > 0) return undefined;
  // Blocks that were missing in `left` may have been filled since.
  const { incomplete } = await progressOf(db, request);
  const dead = await failedIn(db, request.chainId, request);
  return { ...outcome, incomplete, ended: 'halted', dead, reason: halted };
}
