import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { transaction } from '../db/transaction.ts';
import { contractFault } from '../ingest/contract-index.ts';
import { rereadContract } from '../ingest/reread-contract.ts';
import type { Logger } from '../observability/log.ts';
import { raiseLiveVersion, readChain } from '../progress/chains.ts';
import { adoptFingerprints, quarantine, reinstate, suspend } from '../progress/contract-state.ts';
import { lockChain } from '../progress/locks.ts';
import { compareFingerprints } from '../protocols/fingerprint.ts';
import { loadContracts, type RegisteredContract } from '../registry/contracts.ts';
import { prepareContracts } from '../registry/prepare.ts';
import type { FollowedContracts } from './follower-deps.ts';

/** The contracts that this program can read, from one read of the registry. */
export type ReadableContracts = Omit<FollowedContracts, 'contracts'> & {
  readonly contracts: readonly RegisteredContract[];
  /** Contracts whose history a newer program has read. This program neither reads them nor deletes their history. */
  readonly refused: readonly Explained[];
};

/** A contract, and why this program cannot read it, or cannot continue with the history that was read before. */
export type Explained = { readonly contract: RegisteredContract; readonly because: string };

/** Options of `followedContracts`. */
export type LoadOptions = {
  readonly log?: Logger;
  /** Whether the caller leads the chain. Only the leader ends the follower's coverage of refused contracts. */
  readonly leads?: boolean;
};

/**
 * Returns the contracts to follow and to fill. Before that it updates the registry:
 *
 * - A newly registered contract is prepared: its state is reset to that of a contract without facts.
 * - A contract that cannot be decoded is quarantined with the reason, so that it does not stop the chain. It is reinstated once
 *   the registry is corrected.
 * - If the history of a contract was read for other events than this program reads, its facts are deleted and its history is read again.
 * - A contract whose history a newer program has read is refused. If this process leads the chain, the follower stops covering the
 *   contract.
 */
export async function followedContracts(
  database: Database,
  chainId: number,
  options: LoadOptions = {},
): Promise<ReadableContracts> {
  for (;;) {
    await prepareContracts(database, chainId);
    const { liveVersion, contracts } = await loadContracts(database.kysely, chainId);
    const { head } = await readChain(database.kysely, chainId);
    const grouped = groupContracts(contracts);
    if (await reconcile(database, chainId, grouped, options)) continue;
    return {
      contracts: grouped.readable,
      refused: grouped.refused,
      joining: grouped.readable.filter(({ liveFrom }) => liveFrom === null),
      liveVersion,
      former: grouped.readable.filter(({ formerTo }) => formerTo !== null && formerTo > (head?.number ?? -1)),
    };
  }
}

type GroupedContracts = {
  readonly readable: readonly RegisteredContract[];
  readonly corrected: readonly RegisteredContract[];
  readonly faulty: readonly Explained[];
  readonly outdated: readonly Explained[];
  readonly refused: readonly Explained[];
};

/** Groups contracts by what has to be done with them. Pure. */
function groupContracts(contracts: readonly RegisteredContract[]): GroupedContracts {
  const readable: RegisteredContract[] = [];
  const corrected: RegisteredContract[] = [];
  const faulty: Explained[] = [];
  const outdated: Explained[] = [];
  const refused: Explained[] = [];
  for (const contract of contracts) {
    const { status, prepared, coveredFingerprint, fingerprint } = contract;
    if (status === 'quarantined' && contract.quarantinedAtBlock === null && faultOf(contract) === null)
      corrected.push(contract);
    if (status !== 'active' || !prepared) continue;
    const difference = compareFingerprints(coveredFingerprint, fingerprint);
    if (difference?.do === 'refuse') {
      refused.push({ contract, because: difference.because });
      continue;
    }
    const fault = faultOf(contract);
    if (fault !== null) faulty.push({ contract, because: fault });
    else if (difference !== undefined) outdated.push({ contract, because: difference.because });
    else readable.push(contract);
  }
  return { readable, corrected, faulty, outdated, refused };
}

/** Returns why a contract cannot be followed, as the registry and the platform's rows describe it. Null if it can be followed. */
function faultOf(contract: RegisteredContract): string | null {
  if (!contract.announced) return 'the platform deleted its row';
  if (contract.identityFault !== null) return `it ${contract.identityFault}`;
  return contractFault(contract);
}

/** Updates the registry as the groups require. Returns whether it changed anything. */
async function reconcile(
  database: Database,
  chainId: number,
  { readable, corrected, faulty, outdated, refused }: GroupedContracts,
  { log, leads = false }: LoadOptions,
): Promise<boolean> {
  const withoutFingerprint = readable.filter(
    ({ liveFrom, coveredFingerprint }) => liveFrom !== null && coveredFingerprint === null,
  );
  if (withoutFingerprint.length > 0) await adoptFingerprints(database.kysely, chainId, withoutFingerprint);
  if (corrected.length > 0) await reinstate(database.kysely, chainId, corrected);
  if (faulty.length > 0) await quarantineFaulty(database, chainId, faulty);
  for (const { contract, because } of outdated) {
    const { kind, address, coveredFingerprint: oldFingerprint, fingerprint: newFingerprint } = contract;
    if (newFingerprint === null) continue;
    const note = `its history is read again: ${because}`;
    if (await rereadContract(database, contract, { oldFingerprint, newFingerprint, note }))
      log?.warn({ chain: chainId, kind, address, reason: because }, 'reading contract history again');
  }
  const live = leads ? refused.filter(({ contract }) => contract.liveFrom !== null) : [];
  if (live.length > 0) await suspendContracts(database, chainId, live);
  for (const { contract, because } of live) {
    const { kind, address } = contract;
    log?.error({ chain: chainId, kind, address, reason: because }, 'contract refused by an older program');
  }
  return withoutFingerprint.length + corrected.length + faulty.length + outdated.length + live.length > 0;
}

async function quarantineFaulty(database: Database, chainId: number, faulty: readonly Explained[]): Promise<void> {
  await transaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    const head = await raiseLiveVersion(tx, chainId);
    for (const { contract, because: reason } of faulty) {
      await quarantine(tx, chainId, contract, { atBlock: undefined, coveredTo: head, reason });
    }
  });
}

async function suspendContracts(database: Database, chainId: number, refused: readonly Explained[]): Promise<void> {
  await transaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    const head = await raiseLiveVersion(tx, chainId);
    for (const { contract, because } of refused) {
      await suspend(tx, chainId, contract, {
        head,
        note: `the program that leads the chain does not read it: ${because}`,
      });
    }
  });
}
