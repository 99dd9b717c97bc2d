import { commitHead, commitUnread, type HeadCommit } from '../ingest/commit-head.ts';
import { addFactCounts } from '../ingest/committed-range.ts';
import { type ContractIndex, contractIndex } from '../ingest/contract-index.ts';
import { type FetchedRange, fetchBatch } from '../ingest/fetch-batch.ts';
import type { BlockHeader, BlockRef } from '../kernel/chain.ts';
import { HeadMoved, messageOf, RpcInconsistency } from '../kernel/errors.ts';
import type { Trace } from '../observability/tracing.ts';
import type { ChainState } from '../progress/chains.ts';
import { thinCheckpoints } from '../progress/checkpoints.ts';
import { CommitPipeline } from './commit-pipeline.ts';
import type { FinalizedBlock } from './finalized-block.ts';
import type { FollowedContracts, FollowerDeps, FollowerOptions } from './follower-deps.ts';
import type { HeadFeed } from './head-feed.ts';
import { reportAdministration } from './report-administration.ts';
import { reportLargeClaims } from './report-large-claims.ts';
import { UnreadableBlock } from './unreadable-block.ts';

/** A range that is read while the previous range is written (`fetched`), and the contracts whose logs are read (`index`). */
type Prefetch = { readonly index: ContractIndex; readonly fetched: Promise<TracedRange> };

type TracedRange = FetchedRange & { readonly trace: Trace | undefined };

type ExtenderOptions = Pick<FollowerOptions, 'haltDepth' | 'provesInline' | 'largeClaimWei'>;

type LoadedContracts = { readonly index: ContractIndex; readonly followed: FollowedContracts };

/** Maximum number of commits in flight: one moves the head while the next writes its facts. */
const COMMITS_IN_FLIGHT = 2;

/** Maximum number of blocks of a commit above the finalized block. It is small, so that readers see a recent head. */
const STRICT_RANGE_BLOCKS = 32;
/** Maximum number of blocks of a commit up to the finalized block, and the number of logs after which such a commit ends earlier. */
const FINAL_RANGE_BLOCKS = 2_000;
const FINAL_RANGE_LOGS = 20_000;
/** How many more blocks must have become too old for a reorg before most of their checkpoints are deleted. */
const THIN_INTERVAL_BLOCKS = 1_024;

/** Extends the head of one chain: reads ranges, decodes and commits them. */
export class HeadExtender {
  readonly #deps: FollowerDeps;
  readonly #options: ExtenderOptions;
  readonly #finalized: FinalizedBlock;
  readonly #unreadable: UnreadableBlock;
  #contracts: LoadedContracts | undefined;
  #thinnedTo = 0;

  constructor(deps: FollowerDeps, finalized: FinalizedBlock, options: ExtenderOptions) {
    this.#deps = deps;
    this.#finalized = finalized;
    this.#options = options;
    this.#unreadable = new UnreadableBlock(deps.runtime.now);
  }

  /** Makes the follower read the contracts of the registry again before it reads the next range. */
  forgetContracts(): void {
    this.#contracts = undefined;
  }

  /**
   * Extends the head to `remote`, and then to each head that is announced meanwhile. Returns whether it reached the newest of them.
   *
   * Commits overlap: while one range is committed, the next one is read and its facts are written. Each commit depends on the previous
   * one, and fails if the previous one fails.
   */
  async extend(local: ChainState, remote: BlockHeader, heads: HeadFeed, signal: AbortSignal): Promise<boolean> {
    const commits = new CommitPipeline();
    let state = local;
    let target = remote;
    let prefetch: Prefetch | undefined;
    try {
      while (state.head !== undefined && state.head.number < target.number && !signal.aborted) {
        const finalized = await this.#finalized.read(target, state, signal);
        const { index, followed } = await this.#loadContracts(state);
        // Drop a range that was read for another set of contracts: it lacks the logs of contracts that were added.
        const fetched = prefetch?.index === index ? prefetch.fetched : undefined;
        const read = await this.#readOrSetAside(fetched ?? this.#fetch(index, state.head, target, finalized, signal));
        if (read instanceof BlockSetAside) {
          await commits.drainTo(0);
          await this.#goOnWithout(read, state, signal);
          this.forgetContracts();
          return false;
        }
        const { range, batch, trace } = read;
        const tip = range.headers.at(-1) as BlockHeader;
        assertContinues(state.head, range.headers[0] as BlockHeader);
        const changesContracts = followed.joining.length > 0 || batch.quarantined.length > 0;
        await commits.drainTo(changesContracts ? 0 : COMMITS_IN_FLIGHT - 1);
        const { joining, former } = followed;
        const isLast = tip.number >= target.number && !heads.hasDescendant(tip);
        const commit = {
          seen: state,
          range,
          batch,
          finalized: Math.min(finalized, tip.number),
          joining,
          former,
          isLast,
        };
        const written = commits.begin(() => this.#commit(commit, trace));
        const head = { number: tip.number, hash: tip.hash };
        state = { ...state, head, liveVersion: state.liveVersion + (changesContracts ? 1 : 0) };
        if (changesContracts) {
          this.forgetContracts();
          await commits.drainTo(0);
        }
        const next = tip.number < target.number ? target : await heads.nextDescendant(tip, written);
        if (next === undefined) break;
        target = next;
        prefetch = changesContracts
          ? undefined
          : { index, fetched: this.#fetch(index, head, target, finalized, signal) };
        prefetch?.fetched.catch(() => undefined); // The next turn awaits it. If the range is dropped, its error is ignored.
        await this.#thinCheckpoints(state, finalized);
      }
      await commits.drainTo(0);
    } finally {
      await commits.settle();
    }
    return state.head?.hash === target.hash;
  }

  async #commit(commit: HeadCommit, trace: Trace | undefined): Promise<void> {
    const { database, runtime } = this.#deps;
    const { now } = runtime;
    const begunAt = now();
    const write = () => commitHead(database, commit);
    const facts = await (trace?.step('commit', write, (facts) => ({ facts })) ?? write()).catch((error: unknown) => {
      trace?.end(error);
      throw error;
    });
    trace?.end();
    const { chainId, from, to } = commit.range;
    const factsByTable = addFactCounts(new Map(), commit.batch.tables);
    this.#deps.onCommit?.({ from, to, facts, factsByTable, seconds: (now() - begunAt) / 1_000 });
    this.#deps.onStep?.(undefined);
    this.#deps.log.debug({ chain: chainId, from, to, facts }, 'blocks committed');
    reportAdministration(this.#deps, chainId, commit.batch);
    reportLargeClaims(this.#deps, chainId, commit.batch, this.#options.largeClaimWei);
  }

  async #fetch(
    index: ContractIndex,
    head: BlockRef,
    remote: BlockHeader,
    finalized: number,
    signal: AbortSignal,
  ): Promise<TracedRange> {
    const from = head.number + 1;
    const strict = from > finalized;
    const most = strict ? from + STRICT_RANGE_BLOCKS - 1 : Math.min(from + FINAL_RANGE_BLOCKS - 1, finalized);
    const to = this.#unreadable.limit(from, Math.min(remote.number, most));
    const tip = to === remote.number ? remote : undefined;
    const inFull = this.#options.provesInline ? 'blooms' : undefined;
    const request = { from, to, strict, inFull, anchor: head, tip, maxLogs: FINAL_RANGE_LOGS } as const;
    const { source, tracing } = this.#deps;
    const trace = tracing?.begin('head batch', { chain: source.chainId, from, to });
    const read = () => fetchBatch(source, index, request, signal);
    try {
      const fetched = await (trace?.step('fetch', read, ({ range }) => ({ to: range.to })) ?? read());
      this.#unreadable.succeeded();
      return { ...fetched, trace };
    } catch (error) {
      trace?.end(error);
      if (this.#unreadable.failed(from, to, error)) throw new BlockSetAside(from, error);
      throw error;
    }
  }

  async #readOrSetAside(fetched: Promise<TracedRange>): Promise<TracedRange | BlockSetAside> {
    try {
      return await fetched;
    } catch (error) {
      if (error instanceof BlockSetAside) return error;
      throw error;
    }
  }

  /**
   * Moves the head past a block whose logs cannot be read. If the chain has no block at that height whose parent is the head, the block may
   * have been reorganised. Then throws the error with which the read failed.
   */
  async #goOnWithout({ block, failure }: BlockSetAside, state: ChainState, signal: AbortSignal): Promise<void> {
    const { source, database, log, runtime } = this.#deps;
    const begunAt = runtime.now();
    const header = await source.header(block, signal);
    if (header === undefined || header.parentHash !== state.head?.hash) throw failure;
    const reason = messageOf(failure);
    const finalized = Math.min(await this.#finalized.read(header, state, signal), block);
    await commitUnread(database, { seen: state, header, finalized, reason });
    this.#unreadable.setAside(block);
    log.error(
      { chain: state.chainId, block, reason, err: failure },
      'block skipped, because no endpoint gives its logs: the backfill will try it again',
    );
    const seconds = (runtime.now() - begunAt) / 1_000;
    this.#deps.onCommit?.({ from: block, to: block, facts: 0, factsByTable: new Map(), seconds });
  }

  async #loadContracts(state: ChainState): Promise<LoadedContracts> {
    if (this.#contracts === undefined || this.#contracts.followed.liveVersion !== state.liveVersion) {
      const followed = await this.#deps.loadContracts();
      if (followed.liveVersion !== state.liveVersion) throw new HeadMoved('the set of followed contracts changed');
      this.#contracts = { index: contractIndex(followed.contracts), followed };
    }
    return this.#contracts;
  }

  async #thinCheckpoints(state: ChainState, finalized: number): Promise<void> {
    const upTo = Math.min(finalized, state.head?.number ?? 0) - this.#options.haltDepth - 1;
    if (upTo - this.#thinnedTo < THIN_INTERVAL_BLOCKS) return;
    await thinCheckpoints(this.#deps.database.kysely, state.chainId, this.#thinnedTo, upTo);
    this.#thinnedTo = upTo;
  }
}

/** Thrown if the next block cannot be read and the head should move past it without its logs. */
class BlockSetAside extends Error {
  readonly block: number;
  readonly failure: unknown;

  constructor(block: number, failure: unknown) {
    super(messageOf(failure));
    this.block = block;
    this.failure = failure;
  }
}

/** Asserts that the first block of a range is a child of the head. The source checks this too, because the request names the head. */
function assertContinues(head: BlockRef, first: BlockHeader): void {
  if (first.number !== head.number + 1 || first.parentHash !== head.hash) {
    throw new RpcInconsistency('range does not continue the local head', {
      context: { head: head.number, block: first.number },
    });
  }
}
