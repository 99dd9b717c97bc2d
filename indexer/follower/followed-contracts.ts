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

/** The contracts that this program can read, as of one read of the registry. */
export type ReadableContracts = Omit<FollowedContracts, 'contracts'> & {
  readonly contracts: readonly RegisteredContract[];
  /** Contracts that a newer program read. This program neither reads them nor takes their history away. */
  readonly refused: readonly Explained[];
};

/** A contract, and why something is done with it. */
export type Explained = { readonly contract: RegisteredContract; readonly because: string };

/** Who asks: the follower decides which contracts are live, whoever fills history does not. */
export type LoadOptions = { readonly log?: Logger; readonly leads?: boolean };

/**
 * Returns the contracts of the registry to follow and to fill, after it brought the registry in line with what this program knows:
 *
 * - A contract that was just registered is prepared.
 * - A contract that cannot be decoded is quarantined with the reason, so that it does not stop the chain. It is reinstated once
 *   the registry is corrected.
 * - A contract whose history was read with fewer events than this program asks for is read anew.
 * - A contract that a newer program read is refused. Where this process leads the chain, the head stops claiming blocks for it.
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
    const sorted = sortContracts(contracts);
    if (await reconcile(database, chainId, sorted, options)) continue;
    return {
      contracts: sorted.readable,
      refused: sorted.refused,
      joining: sorted.readable.filter(({ liveFrom }) => liveFrom === null),
      liveVersion,
      former: sorted.readable.filter(({ formerTo }) => formerTo !== null && formerTo > (head?.number ?? -1)),
    };
  }
}

type SortedContracts = {
  readonly readable: readonly RegisteredContract[];
  readonly mended: readonly RegisteredContract[];
  readonly faulty: readonly Explained[];
  readonly outdated: readonly Explained[];
  readonly refused: readonly Explained[];
};

/** Sorts contracts by what this program can do with them. Pure. */
function sortContracts(contracts: readonly RegisteredContract[]): SortedContracts {
  const readable: RegisteredContract[] = [];
  const mended: RegisteredContract[] = [];
  const faulty: Explained[] = [];
  const outdated: Explained[] = [];
  const refused: Explained[] = [];
  for (const contract of contracts) {
    const { status, prepared, coveredFingerprint, fingerprint } = contract;
    if (status === 'quarantined' && contract.quarantinedAtBlock === null && faultOf(contract) === null)
      mended.push(contract);
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
  return { readable, mended, faulty, outdated, refused };
}

/** Returns why a contract cannot be followed as the registry and the platform's rows describe it; null where it can. */
function faultOf(contract: RegisteredContract): string | null {
  if (!contract.announced) return `${contract.kind} ${contract.address}: the platform deleted its row`;
  return contractFault(contract);
}

/** Changes the registry where contracts call for it. Returns whether it did. */
async function reconcile(
  database: Database,
  chainId: number,
  { readable, mended, faulty, outdated, refused }: SortedContracts,
  { log, leads = false }: LoadOptions,
): Promise<boolean> {
  const unsigned = readable.filter(
    ({ liveFrom, coveredFingerprint }) => liveFrom !== null && coveredFingerprint === null,
  );
  if (unsigned.length > 0) await adoptFingerprints(database.kysely, chainId, unsigned);
  if (mended.length > 0) await reinstate(database.kysely, chainId, mended);
  if (faulty.length > 0) await setAside(database, chainId, faulty);
  for (const { contract, because } of outdated) {
    const { kind, address, coveredFingerprint: oldFingerprint, fingerprint: newFingerprint } = contract;
    if (newFingerprint === null) continue;
    const note = `its history is read anew: ${because}`;
    if (await rereadContract(database, contract, { oldFingerprint, newFingerprint, note }))
      log?.warn({ chain: chainId, kind, address, reason: because }, 'reading contract history anew');
  }
  const live = leads ? refused.filter(({ contract }) => contract.liveFrom !== null) : [];
  if (live.length > 0) await suspendContracts(database, chainId, live);
  for (const { contract, because } of live) {
    const { kind, address } = contract;
    log?.error({ chain: chainId, kind, address, reason: because }, 'contract refused by an older program');
  }
  return unsigned.length + mended.length + faulty.length + outdated.length + live.length > 0;
}

async function setAside(database: Database, chainId: number, faulty: readonly Explained[]): Promise<void> {
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
