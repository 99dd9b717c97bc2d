import type { Database } from '../../indexer/db/database.ts';
import type { Stride } from '../../indexer/stages/advance-stages.ts';
import type { BlockTree } from './check.ts';
import type { History } from './history.ts';
import type { SimNode } from './node.ts';
import type { Platform } from './platform.ts';
import type { Random } from './random.ts';
import type { SimFollower } from './roles.ts';

/** Options of running a history. */
export type DriveOptions = {
  /** Whether contracts are removed and the platform writes rows of its own, so that the final rows depend on the route. */
  readonly detours: boolean;
  /**
   * Whether and how the nodes lie about logs. `inline`: every range is read in full, which reveals lies at once. `background`: facts may
   * be wrong until a later proof. Undefined: the nodes are honest.
   */
  readonly lies?: 'inline' | 'background' | undefined;
  /** Whether only the last branch is followed, from its beginning to its end. */
  readonly straight?: boolean;
};

/** One chain of a history with its node and followers. */
export type Lane = {
  readonly chainId: number;
  readonly node: SimNode;
  readonly followers: readonly SimFollower[];
  /** The lowest block at which following began. */
  startedAt: number;
};

/** How often each event occurred, for a test of the simulation itself. */
export type Tally = Map<string, number>;

/** The state of a running history and what its parts may do with it. */
export type DriveContext = {
  readonly database: Database;
  readonly history: History;
  readonly random: Random;
  readonly options: DriveOptions;
  readonly platform: Platform;
  readonly tree: BlockTree;
  readonly lanes: readonly Lane[];
  /** Whether the stages have run since an IPO was opened. After that, each commit keeps the IPO's supply up to date. */
  iposSettled: boolean;
  /** Compares the database with the oracle. Unless the facts are proved, differences are only counted as wrong rows. */
  check(linksSettled?: boolean, proved?: boolean): Promise<void>;
  /** Draws the number of blocks by which stages first advance in one transaction. */
  stride(): Stride;
  /** Counts an event in the tally. */
  count(what: string): void;
  /** Runs an action, sometimes with a crash in it. A refusal that the program is meant to throw is not a failure. */
  attempt(what: string, act: (database: Database) => Promise<unknown>): Promise<'done' | 'refused' | 'crashed'>;
};
