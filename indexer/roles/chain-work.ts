import { Backfill } from '../backfill/backfill.ts';
import type { PlanScope } from '../backfill/plan.ts';
import type { ChainConfig, Config } from '../config/resolve.ts';
import { secretsOf } from '../config/secrets.ts';
import type { Database } from '../db/database.ts';
import { followedContracts } from '../follower/followed-contracts.ts';
import { Follower } from '../follower/follower.ts';
import { messageOf } from '../kernel/errors.ts';
import type { Logger } from '../observability/log.ts';
import { createRedact } from '../observability/redact.ts';
import { lead } from '../progress/leader.ts';
import { createSource, type Source } from '../source/source.ts';

export type ChainWorkInput = {
  readonly config: Config;
  readonly chain: ChainConfig;
  readonly database: Database;
  readonly log: Logger;
  /** What this process plans of history. */
  readonly scope: PlanScope;
  /** Ranges of history that it works on at a time. */
  readonly concurrency: number;
  readonly onCommit?: (facts: number) => void;
};

/** What a process may do for a chain: follow its head, where no other process does, and fill its history. */
export type ChainWork = {
  readonly chainId: number;
  readonly source: Source;
  readonly backfill: Backfill;
  /** `following`, `standing by`, or what is wrong. */
  readonly state: string;
  /** The registry or what is asked of history may have changed. */
  changed(): void;
  /** Follows the head until the signal aborts, while this process leads the chain. */
  follow(signal: AbortSignal): Promise<void>;
};

/** The work on one chain. Nothing runs until it is told to. */
export function chainWork(input: ChainWorkInput): ChainWork {
  const { config, chain, database, log, scope, concurrency, onCommit } = input;
  const { chainId } = chain;
  const source = createSource(chain, {
    notice: (notice) => log.info({ chain: chainId, ...notice }, `source: ${notice.event}`),
  });
  let state = 'starting';
  const backfill = new Backfill({
    chainId,
    database,
    source,
    log,
    redact: createRedact(secretsOf(config)),
    queue: { url: config.queueUrl, redis: config.queueRedis },
    scope,
    concurrency,
    loadContracts: async () => (await followedContracts(database, chainId)).contracts,
  });
  const follower = new Follower(
    {
      database,
      source,
      log,
      loadContracts: () => followedContracts(database, chainId),
      onStep: (failure) => {
        // From the first head on there is history to fill, and what failed along with the head can be tried again.
        if (failure === undefined && state !== 'following') backfill.wake();
        state = failure === undefined ? 'following' : `failing: ${messageOf(failure)}`;
      },
      onCommit: ({ facts }) => onCommit?.(facts),
    },
    chain,
  );
  return {
    chainId,
    source,
    backfill,
    get state() {
      return state;
    },
    changed: () => {
      follower.contractsChanged();
      backfill.wake();
    },
    follow: async (signal) => {
      await backfill.beginLoad(signal);
      await lead(
        {
          databaseUrl: config.databaseUrl,
          chainId,
          onChange: (change, error) => {
            if (change === 'leading') log.info({ chain: chainId }, 'leads the chain');
            else log[error === undefined ? 'info' : 'warn']({ chain: chainId, err: error }, `does not lead: ${change}`);
            if (change === 'standing by') state = change;
          },
        },
        (leading) => follower.run(leading),
        signal,
      );
    },
  };
}
