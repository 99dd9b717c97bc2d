import { Backfill } from '../backfill/backfill.ts';
import type { PlanScope } from '../backfill/plan.ts';
import type { QueueSettings } from '../backfill/queue-server.ts';
import type { ChainConfig, Config } from '../config/resolve.ts';
import { secretsOf } from '../config/secrets.ts';
import type { Database } from '../db/database.ts';
import { followedContracts } from '../follower/followed-contracts.ts';
import { Follower } from '../follower/follower.ts';
import type { CommittedRange } from '../ingest/committed-range.ts';
import { messageOf } from '../kernel/errors.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import type { Measures } from '../observability/measures.ts';
import { createRedact } from '../observability/redact.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { LeaderElection, Leadership } from '../progress/leader.ts';
import { type EndpointNotice, levelOf } from '../rpc/notice.ts';
import { createSource, type SharedDeps, type Source } from '../source/source.ts';
import { StageRunner } from '../stages/stage-runner.ts';

/** Dependencies of the work on one chain. */
export type ChainWorkInput = SharedDeps & {
  readonly config: Config;
  readonly chain: ChainConfig;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  /** The server of the queue. All chains of a process share the connections to it. */
  readonly queue: QueueSettings;
  /** The part of history for which this process adds jobs to the queue. */
  readonly scope: PlanScope;
  /** Number of ranges that this process fills at the same time. */
  readonly concurrency: number;
  readonly onCommit?: (facts: number) => void;
  /** Whether blocks are proved although the configuration turned proofs off. */
  readonly proved?: boolean;
  /** Counts commits, and events that an operator should know about. */
  readonly measures?: Measures;
  readonly tracing?: Tracing | undefined;
};

/**
 * Constructs what works on a chain: the follower of its head, the backfill of its history, and the runner of its stages, which derive
 * snapshots, and state that depends on several contracts. Nothing runs until the role calls `follow`, `backfill.run` or `stages.run`.
 */
export class ChainWork {
  readonly chainId: number;
  readonly source: Source;
  readonly backfill: Backfill;
  /** Advances the stages. Every commit of this process wakes it. */
  readonly stages: StageRunner;
  readonly #input: ChainWorkInput;
  readonly #follower: Follower;
  #state = 'starting';
  /** Notices about endpoints, kept until `begin` logs them. If a command fails before, only its error is shown. Undefined afterwards. */
  #heldNotices: EndpointNotice[] | undefined = [];

  constructor(input: ChainWorkInput) {
    const { config, chain, database, log, runtime, queue, scope, concurrency, tracing, onCommit, observe, meters } =
      input;
    const { chainId } = chain;
    this.#input = input;
    this.chainId = chainId;
    const { level } = chain.proof;
    this.source = createSource(
      { ...chain, logsAreConfirmedLater: level !== 'off' || input.proved === true },
      { ...runtime, observe, meters, notice: (notice) => this.#heldNotices?.push(notice) ?? this.#log(notice) },
    );
    this.stages = new StageRunner({ chainId, database, log, runtime });
    this.backfill = new Backfill({
      chainId,
      database,
      source: this.source,
      log,
      runtime,
      redact: createRedact(secretsOf(config)),
      queue,
      scope,
      concurrency,
      provesInline: level === 'inline',
      tracing,
      onFilled: (range) => this.#onCommit('history', range),
      loadContracts: () => followedContracts(database, chainId, { log }),
    });
    this.#follower = new Follower(
      {
        database,
        source: this.source,
        log,
        runtime,
        measures: input.measures,
        tracing,
        loadContracts: () => followedContracts(database, chainId, { log, leads: true }),
        onStep: (failure) => this.#onStep(failure),
        onCommit: (range) => {
          this.#onCommit('head', range);
          onCommit?.(range.facts);
        },
      },
      { ...chain, provesInline: level === 'inline' },
    );
  }

  /** The state of the chain in this process: `starting`, `following`, `standing by`, or `failing` with the reason. */
  get state(): string {
    return this.#state;
  }

  /** Logs the notices about endpoints that were kept, and from now on each at once. To be called once the work is certain to begin. */
  begin(): void {
    const held = this.#heldNotices ?? [];
    this.#heldNotices = undefined;
    for (const notice of held) this.#log(notice);
  }

  #log(notice: EndpointNotice): void {
    this.#input.log[levelOf(notice)]({ chain: this.chainId, ...notice }, `source: ${notice.event}`);
  }

  /**
   * Makes the follower read the registry again for its next blocks, the backfill plan at once, and the stages advance at once. To be
   * called when contracts or requests may have changed.
   */
  contractsChanged(): void {
    this.#follower.contractsChanged();
    this.backfill.wake();
    this.stages.wake();
  }

  /** Follows the head and runs `beside` while this process leads the chain, until the signal aborts. */
  async follow(
    election: LeaderElection,
    signal: AbortSignal,
    beside?: (leading: AbortSignal) => Promise<void>,
  ): Promise<void> {
    await this.backfill.beginLoad(signal);
    await election.run(
      { chainId: this.chainId, onChange: (leadership, error) => this.#onLeadership(leadership, error) },
      (leading) => Promise.all([this.#follower.run(leading), beside?.(leading)]),
      signal,
    );
  }

  #onCommit(part: 'head' | 'history', { from, to, factsByTable, seconds }: CommittedRange): void {
    this.stages.wake();
    this.#input.measures?.committed({ chainId: this.chainId, part, blocks: to - from + 1, factsByTable, seconds });
  }

  #onStep(failure: Error | undefined): void {
    // The backfill can plan once there is a head, and can retry at once when the chain has recovered.
    if (failure === undefined && this.#state !== 'following') this.backfill.wake();
    this.#state = failure === undefined ? 'following' : `failing: ${messageOf(failure)}`;
  }

  #onLeadership(leadership: Leadership, error: Error | undefined): void {
    const { log } = this.#input;
    const context = { chain: this.chainId };
    if (leadership === 'leading') log.info(context, 'leading the chain');
    else if (leadership === 'standing by') log.info(context, 'standing by because another process leads the chain');
    else
      log.warn(
        { ...context, reason: messageOf(error), err: error },
        'database connection lost, so this process no longer leads the chain',
      );
    if (leadership === 'standing by') this.#state = leadership;
    if (leadership === 'disconnected') this.#state = `failing: database connection lost: ${messageOf(error)}`;
  }
}
