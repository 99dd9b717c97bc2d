import { commitStart } from '../ingest/commit-head.ts';
import type { BlockHeader } from '../kernel/chain.ts';
import { HeadMoved, IndexerError, messageOf, RpcInconsistency } from '../kernel/errors.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { checkpointAt } from '../progress/checkpoints.ts';
import { decide } from './decide.ts';
import { HeadExtender } from './extend-head.ts';
import { FinalizedBlock } from './finalized-block.ts';
import type { FollowerDeps, FollowerOptions } from './follower-deps.ts';
import { HeadFeed } from './head-feed.ts';
import { ReorgWatch, type StepOutcome } from './reorg-watch.ts';

const RETRY_BACKOFF: Backoff = { baseMs: 50, maxMs: 10_000 };
const HEAD_MOVED_DELAY_MS = 25;
/**
 * How often the follower checks something while no new head is announced. If its last step could not decide, it reads the head again and
 * repeats the step. Otherwise it checks whether another process has unwound the database.
 */
const RECHECK_INTERVAL_MS = 1_000;

/** Follows one chain's head. If two processes believe that they lead the chain, the compare-and-set of the head lets only one commit. */
export class Follower {
  readonly #deps: FollowerDeps;
  readonly #options: FollowerOptions;
  readonly #finalized: FinalizedBlock;
  readonly #extender: HeadExtender;
  readonly #reorgs: ReorgWatch;
  /** The chain's epoch, which counts its unwinds, at the last step. */
  #epoch: number | undefined;

  constructor(deps: FollowerDeps, options: FollowerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#finalized = new FinalizedBlock(deps.source, options.confirmations, deps.runtime.now);
    this.#extender = new HeadExtender(deps, this.#finalized, options);
    this.#reorgs = new ReorgWatch(deps, options);
  }

  /** Makes the follower read the registry again before the next block. */
  contractsChanged(): void {
    this.#extender.forgetContracts();
  }

  /** Follows until the signal aborts. Never throws: failures are logged and retried with growing delays. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, onStep, runtime } = this.#deps;
    const heads = new HeadFeed(source.heads(signal));
    const next = () => this.#nextHead(heads, signal);
    for (let head = await next(); head !== undefined && !signal.aborted; head = await next()) {
      const retry = new Retry(RETRY_BACKOFF, runtime.random);
      for (let remote: BlockHeader | undefined = head; remote !== undefined && !signal.aborted; ) {
        try {
          if (retry.failures > 0) remote = await source.head(signal); // the step may have failed because the head was old
          const outcome = await this.#step(remote, heads, signal);
          retry.succeeded();
          onStep?.(undefined);
          if (outcome === 'settled') remote = undefined;
          if (outcome !== 'recheck') continue;
          await sleep(RECHECK_INTERVAL_MS, signal);
          if (!signal.aborted) remote = await source.head(signal);
        } catch (error) {
          if (signal.aborted) return;
          this.#extender.forgetContracts();
          const retryInMs = retry.failed();
          if (!(error instanceof HeadMoved)) this.#report(error, retry.failures, retryInMs);
          await sleep(error instanceof HeadMoved ? HEAD_MOVED_DELAY_MS : retryInMs, signal);
        }
      }
    }
  }

  /** Waits for an announced head. If the database is unwound meanwhile, reads the head instead, since an announcement may take long. */
  async #nextHead(heads: HeadFeed, signal: AbortSignal): Promise<BlockHeader | undefined> {
    for (;;) {
      const head = await heads.next(RECHECK_INTERVAL_MS);
      if (head !== undefined || heads.hasEnded) return head;
      try {
        if (await this.#wasUnwound()) return await this.#deps.source.head(signal);
      } catch {
        // A failure of the database or an endpoint is ignored while there is nothing to do. The next turn asks again.
      }
    }
  }

  async #wasUnwound(): Promise<boolean> {
    if (this.#epoch === undefined) return false;
    const { epoch } = await readChain(this.#deps.database.kysely, this.#options.chainId);
    return epoch !== this.#epoch;
  }

  /** Logs a failed step. The first failure in a row is not reported to `/ready`, because a reorg makes requests fail for a moment. */
  #report(error: unknown, failures: number, retryInMs: number): void {
    const level = failures === 1 && error instanceof IndexerError && error.retryable ? 'debug' : 'warn';
    const context = { chain: this.#options.chainId, reason: messageOf(error), retryInMs, err: error };
    this.#deps.log[level](context, 'following the chain failed');
    if (failures > 1) this.#deps.onStep?.(error instanceof Error ? error : new Error(String(error)));
  }

  /** Decides once what to do about the head of an endpoint (`remote`), and does it. */
  async #step(remote: BlockHeader, heads: HeadFeed, signal: AbortSignal): Promise<StepOutcome> {
    const { database, source } = this.#deps;
    const state = await readChain(database.kysely, this.#options.chainId);
    this.#epoch = state.epoch;
    if (state.halted !== undefined) return 'recheck';
    const local = state.head;
    const isAbove = local !== undefined && remote.number > local.number;
    const isChild = isAbove && remote.number === local.number + 1 && remote.parentHash === local.hash;
    const decision = decide({
      local,
      remote,
      remoteAtLocal: isAbove && !isChild ? await source.header(local.number, signal) : undefined,
      localAtRemote: local && !isAbove ? await checkpointAt(database.kysely, state.chainId, remote.number) : undefined,
    });
    if (decision.do !== 'suspect reorg') this.#reorgs.clearSuspicion();
    switch (decision.do) {
      case 'wait':
        return decision.because === 'node lacks the local head' ? 'recheck' : 'settled';
      case 'start':
        await this.#start(state, remote, signal);
        return 'continue';
      case 'suspect reorg': {
        const finalized = await this.#finalized.read(remote, state, signal);
        return this.#reorgs.investigate(state, remote, finalized, signal);
      }
      case 'extend':
      case 'catch up':
        return (await this.#extender.extend(state, remote, heads, signal)) ? 'settled' : 'continue';
    }
  }

  /** Makes the finalized block the first head, so that every block that may still be reorganised is followed. */
  async #start(state: ChainState, remote: BlockHeader, signal: AbortSignal): Promise<void> {
    const finalized = Math.min(await this.#finalized.read(remote, state, signal), remote.number);
    const start = await this.#deps.source.header(finalized, signal);
    if (start === undefined) {
      throw new RpcInconsistency('finalized block unavailable', { context: { block: finalized } });
    }
    await commitStart(this.#deps.database, state, start, finalized);
    this.#deps.log.info({ chain: state.chainId, block: start.number }, 'following from the finalized block');
  }
}
