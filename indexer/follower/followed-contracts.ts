import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/database.ts';
import type { DB } from '../db/schema.ts';
import { runSteps } from '../db/step.ts';
import { transaction } from '../db/transaction.ts';
import { contractFault } from '../ingest/contract-index.ts';
import type { Contract } from '../kernel/chain.ts';
import { readChain } from '../progress/chains.ts';
import { quarantine } from '../progress/coverage.ts';
import { lockChain } from '../progress/locks.ts';
import { loadContracts, type RegisteredContract } from '../registry/contracts.ts';
import { prepareContracts } from '../registry/prepare.ts';
import type { FollowedContracts } from './follower-deps.ts';

/** Pools whose events this version knows (Uniswap V2 and its forks). */
const POOL_TYPES = ['uniswap_v2', 'sushiswap'];

/**
 * The contracts of the registry to follow. One that cannot be decoded is set aside first, with the reason, so that neither it
 * stops the chain nor the head claims blocks for it.
 */
export async function followedContracts(
  database: Database,
  chainId: number,
): Promise<FollowedContracts & { readonly contracts: readonly RegisteredContract[] }> {
  await prepareContracts(database, chainId);
  const registry = await loadContracts(database.kysely, chainId);
  const mended = registry.contracts.filter(
    (contract) =>
      contract.status === 'quarantined' && contract.quarantinedAtBlock === null && faultOf(contract) === null,
  );
  if (mended.length > 0) {
    await reinstate(database.kysely, chainId, mended);
    return followedContracts(database, chainId);
  }
  const { head } = await readChain(database.kysely, chainId);
  const active = registry.contracts.filter(({ status, prepared }) => status === 'active' && prepared);
  const faulty = active.flatMap((contract) => {
    const reason = faultOf(contract);
    return reason === null ? [] : [{ contract, reason }];
  });
  if (faulty.length > 0) {
    await setAside(database, chainId, faulty);
    return followedContracts(database, chainId);
  }
  return {
    contracts: active,
    joining: active.filter(({ liveFrom }) => liveFrom === null),
    liveVersion: registry.liveVersion,
    former: active.filter(({ formerTo }) => formerTo !== null && formerTo > (head?.number ?? -1)),
  };
}

/** Why a contract cannot be followed as the registry and the platform's rows describe it. */
function faultOf(contract: RegisteredContract): string | null {
  if (!contract.announced) return `${contract.kind} ${contract.address}: the platform deleted its row`;
  if (contract.kind === 'pool' && contract.poolType !== null && !POOL_TYPES.includes(contract.poolType)) {
    return `pool ${contract.address}: pools of type ${contract.poolType} are not followed by this version`;
  }
  return contractFault(contract);
}

/** The platform corrected what kept these from being followed: they join again, and their gaps are filled. */
async function reinstate(db: Kysely<DB>, chainId: number, contracts: readonly Contract[]): Promise<void> {
  await sql`
    update indexer.contracts held set status = 'active', status_reason = null
    from unnest(${contracts.map((c) => c.address)}::text[], ${contracts.map((c) => c.kind)}::text[]) as asked (address, kind)
    where held.chain_id = ${chainId} and held.address = asked.address and held.kind = asked.kind
      and held.status = 'quarantined' and held.quarantined_at_block is null
  `.execute(db);
}

async function setAside(
  database: Database,
  chainId: number,
  faulty: readonly { readonly contract: Contract; readonly reason: string }[],
): Promise<void> {
  await transaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    const { head } = await readChain(tx, chainId);
    for (const { contract, reason } of faulty) {
      await quarantine(tx, chainId, contract, { atBlock: undefined, coveredTo: head?.number, reason });
    }
    await sql`update indexer.chains set live_version = live_version + 1 where chain_id = ${chainId}`.execute(tx);
  });
}
