import type { BackfillQueue } from '../backfill/queue.ts';
import type { LiveChain } from '../http/chain-view.ts';
import { ConfigError, messageOf } from '../kernel/errors.ts';
import { sleep, within } from '../kernel/sleep.ts';
import { Wake } from '../kernel/wake.ts';
import type { Measures } from '../observability/measures.ts';
import { findChain } from '../progress/chains.ts';
import type { Gap } from '../progress/contract-coverage.ts';
import type { LeaderElection } from '../progress/leader.ts';
import { saveSafeBlock } from '../progress/safe-block.ts';
import { Sweeper } from '../proof/sweeper.ts';
import { ALARM_LEVELS } from '../protocols/shared/administration.ts';
import { chainReaderOver } from '../protocols/shared/chain-reader.ts';
import { ContractReader } from '../registry/enrich.ts';
import { saveProgress } from '../registry/save-progress.ts';
import { createMeters, type Meter } from '../rpc/meter.ts';
import type { RpcObservation } from '../source/source.ts';
import { ChainFigures } from './chain-figures.ts';
import { type ChainMetadata, createChainMetadata } from './chain-metadata.ts';
import { type ChainProof, createChainProof } from './chain-proof.ts';
import { verifyIfDue } from './chain-verification.ts';
import { ChainWork, type ChainWorkInput } from './chain-work.ts';
import { DailySnapshots } from './daily-snapshots.ts';
import { HeadProgress } from './head-progress.ts';
import { repeat } from './repeat.ts';

/** How long the status waits for the counts of a queue. */
const QUEUE_TIMEOUT_MS = 2_000;
const ENRICH_INTERVAL_MS = 15_000;
/** How often the daemon checks that an endpoint answers, for `/ready`. */
const PROBE_INTERVAL_MS = 5_000;
const REFUSED_RETRY_INTERVAL_MS = 30_000;
/** How often the block with the tag `safe` is read. The views of the schema `mirror_safe` show the database as of that block. */
const SAFE_INTERVAL_MS = 5_000;
/** How often the progress of contracts is copied to `last_indexed_block` of the platform's rows. */
const PROGRESS_INTERVAL_MS = 60_000;
/** How often the daemon checks whether a daily snapshot is due. */
const DAILY_INTERVAL_MS = 15_000;
/** How often facts are checked for contradictions. */
const SWEEP_INTERVAL_MS = 15_000;
/** How often the daemon checks whether a verification is due. */
const VERIFY_CHECK_INTERVAL_MS = 30_000;

/** Dependencies of the work of a daemon on one chain. */
type DaemonChainInput = Omit<ChainWorkInput, 'scope'> & {
  readonly measures: Measures;
  readonly election: LeaderElection;
};

/** Runs everything that a daemon does for one chain, and holds the state that `/ready` reports. */
export class DaemonChain {
  readonly chainId: number;
  /** The counters and limits of calls to the chain's endpoints, in the order of the endpoints. */
  readonly meters: readonly (Meter | undefined)[];
  readonly #input: DaemonChainInput;
  readonly #work: ChainWork;
  /** Compares facts with headers, and reads blocks again whose facts contradict others. Undefined if the configuration turned it off. */
  readonly #proof: ChainProof | undefined;
  /** Reads token URIs. Undefined if the configuration turned it off. */
  readonly #metadata: ChainMetadata | undefined;
  readonly #contractReader: ContractReader;
  readonly #sweeper: Sweeper | undefined;
  readonly #enrichNow = new Wake();
  readonly #figures: ChainFigures;
  /** Tracks how far the committed head is behind the remote head. */
  readonly progress: HeadProgress;
  /** Why the configured endpoints cannot be used, for example because one serves another chain. Undefined unless they were refused. */
  #refusal: string | undefined;
  /** Why the remote head could not be read. Undefined if the last attempt succeeded. */
  #outage: string | undefined;

  constructor(given: DaemonChainInput) {
    this.meters = createMeters(given.chain.rpcUrls, given.runtime.now);
    const input = {
      ...given,
      meters: this.meters,
      observe: (request: RpcObservation) => given.measures.requested(request),
    };
    this.#input = input;
    input.measures.showAlarms(input.chain.chainId, ALARM_LEVELS);
    this.progress = new HeadProgress(input.runtime.now);
    this.#figures = new ChainFigures(input.chain.chainId, input.database, input.measures, input.runtime.now);
    this.#work = new ChainWork({ ...input, scope: { standing: true } });
    this.#work.begin();
    this.#proof = input.chain.proof.level === 'off' ? undefined : createChainProof(input);
    this.#metadata = createChainMetadata(input);
    this.chainId = this.#work.chainId;
    const { database, log, runtime } = input;
    const reader = chainReaderOver(this.#work.source);
    this.#contractReader = new ContractReader({ db: database.kysely, chainId: this.chainId, reader, log, runtime });
    const proof = this.#proof;
    this.#sweeper = proof && new Sweeper({ ...input, chainId: this.chainId, source: proof.source });
  }

  /** The state of the chain in this process: `starting`, `following`, `standing by`, or `failing` with the reason. */
  get state(): string {
    return this.#refusal ?? this.#outage ?? this.#work.state;
  }

  /** The queue of the chain's backfill. Undefined while it is not connected. */
  get queue(): BackfillQueue | undefined {
    return this.#work.backfill.queue;
  }

  /**
   * Returns what this process knows about the chain.
   *
   * @param gaps the missing blocks of the chain's contracts
   */
  async live(gaps: readonly Gap[]): Promise<LiveChain> {
    const [counts, backfills] = await Promise.all([
      within(QUEUE_TIMEOUT_MS, this.queue?.counts().catch(() => undefined) ?? Promise.resolve(undefined)),
      this.#figures.backfills(gaps.flatMap((contract) => contract.gaps)),
    ]);
    return {
      chainId: this.chainId,
      state: this.state,
      remoteHead: this.progress.remote ?? null,
      eventsPerSecond: this.#figures.eventsPerSecond(),
      queue: counts ?? null,
      endpoints: this.#work.source.endpointStates().map((endpoint) => ({
        ...endpoint,
        ...this.#input.measures.callsOf(this.chainId, endpoint.endpoint),
      })),
      backfills,
    };
  }

  /**
   * Does what `ChainWork.contractsChanged` does, and reads new contracts from the chain at once. To be called when contracts or requests
   * may have changed.
   */
  contractsChanged(): void {
    this.#work.contractsChanged();
    this.#enrichNow.wake();
  }

  /** Follows the head, fills and proves history, advances stages and reads new contracts from the chain, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, election } = this.#input;
    await this.#waitForEndpoints(signal);
    if (signal.aborted) return;
    const probe = { task: 'probe', chain: this.chainId, intervalMs: PROBE_INTERVAL_MS };
    const enrich = { task: 'enrich', chain: this.chainId, intervalMs: ENRICH_INTERVAL_MS, wake: this.#enrichNow };
    const sweep = { task: 'sweep', chain: this.chainId, intervalMs: SWEEP_INTERVAL_MS };
    const verify = { task: 'verify', chain: this.chainId, intervalMs: VERIFY_CHECK_INTERVAL_MS };
    const isVerified = this.#input.chain.verifyIntervalHours > 0;
    await Promise.all([
      this.#work.follow(election, signal, (leading) => this.#runWhileLeading(leading)),
      this.#work.backfill.run(signal),
      this.#work.stages.run(signal),
      repeat(probe, log, () => this.#probe(signal), signal),
      repeat(enrich, log, () => this.#enrich(signal), signal),
      repeat(sweep, log, async () => this.#sweeper?.round(signal), signal),
      isVerified ? repeat(verify, log, () => verifyIfDue(this.#input, signal), signal) : undefined,
    ]);
  }

  /** Runs the tasks that only one process, the leader, runs for a chain. */
  async #runWhileLeading(leading: AbortSignal): Promise<void> {
    const { log, database } = this.#input;
    const snapshots = new DailySnapshots({ log, database, chainId: this.chainId, source: this.#work.source });
    const progress = { task: 'progress', chain: this.chainId, intervalMs: PROGRESS_INTERVAL_MS };
    const daily = { task: 'daily snapshots', chain: this.chainId, intervalMs: DAILY_INTERVAL_MS };
    const safe = { task: 'safe block', chain: this.chainId, intervalMs: SAFE_INTERVAL_MS };
    await Promise.all([
      this.#proof?.run(leading),
      this.#metadata?.run(leading),
      repeat(safe, log, () => this.#saveSafe(leading), leading),
      repeat(daily, log, () => snapshots.takeDue(leading), leading),
      repeat(progress, log, () => saveProgress(database.kysely, this.chainId, leading), leading),
    ]);
  }

  async #saveSafe(signal: AbortSignal): Promise<void> {
    const safe = await this.#work.source.safe(signal);
    if (safe !== undefined) await saveSafeBlock(this.#input.database.kysely, this.chainId, safe);
  }

  /** Closes the connections to the endpoints. */
  close(): void {
    this.#work.source.close();
    this.#proof?.close();
    this.#metadata?.close();
  }

  /** Waits until all endpoints that answer serve this chain. Retries instead of throwing, so that the work on other chains continues. */
  async #waitForEndpoints(signal: AbortSignal): Promise<void> {
    const { log } = this.#input;
    const { source, chainId } = this.#work;
    while (!signal.aborted) {
      try {
        const accepted = await source.checkChainId(signal);
        this.#refusal = undefined;
        // If no endpoint answers, `#probe` logs that.
        if (accepted.length > 0) log.info({ chain: chainId, endpoints: accepted }, 'endpoints accepted');
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#refusal = `failing: ${messageOf(error)}`;
        const context = { chain: chainId, reason: messageOf(error), retryInMs: REFUSED_RETRY_INTERVAL_MS, err: error };
        log.error(context, 'RPC endpoints cannot be used');
        await sleep(REFUSED_RETRY_INTERVAL_MS, signal);
      }
    }
  }

  /** Reads the remote head to detect an outage of all endpoints. The follower does not report one, because it only waits for a new head. */
  async #probe(signal: AbortSignal): Promise<void> {
    try {
      const { number } = await this.#work.source.head(signal);
      this.#outage = undefined;
      const local = await findChain(this.#input.database.kysely, this.chainId).catch(() => undefined);
      this.progress.record(local?.head?.number, number);
    } catch (error) {
      const isNew = this.#outage === undefined;
      this.#outage = `failing: ${messageOf(error)}`;
      if (isNew && !signal.aborted) {
        const context = { chain: this.chainId, reason: messageOf(error), err: error };
        if (error instanceof ConfigError) this.#input.log.error(context, 'RPC endpoints cannot be used');
        else this.#input.log.warn(context, 'no endpoint answers');
      }
    }
  }

  /** Reads from the chain what the registry lacks about contracts: deployment blocks, whether they speak their protocol, metadata. */
  async #enrich(signal: AbortSignal): Promise<void> {
    const { number } = await this.#work.source.head(signal);
    const { deploymentFound, identityChanged } = await this.#contractReader.read(number, signal);
    if (deploymentFound) this.#work.backfill.wake();
    if (identityChanged) this.#work.contractsChanged();
  }
}
