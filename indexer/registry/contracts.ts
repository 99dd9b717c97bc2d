import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { AbiUpgrade, Contract, ContractKind, Hex } from '../kernel/chain.ts';
import { parseMultirange } from '../kernel/ranges.ts';
import type { Coverage } from '../progress/contract-coverage.ts';
import { coverageFingerprint } from '../protocols/fingerprint.ts';
import { protocolKey } from '../protocols/protocol.ts';
import { chooseProtocol } from '../protocols/protocols.ts';

/** Whether a contract is followed, was removed, or is quarantined with a reason. */
export type ContractStatus = 'active' | 'removed' | 'quarantined';

/** A contract of the registry with its coverage and status. */
export type RegisteredContract = Contract &
  Coverage & {
    /**
     * A text that names the ABI versions and events with which this program reads the contract; null if it does not know one of the
     * versions.
     */
    readonly fingerprint: string | null;
    /** The fingerprint with which the covered blocks of the contract were read; null if no block is covered yet. */
    readonly coveredFingerprint: string | null;
    /** Why the history of the contract is incomplete although it was complete before. Null otherwise. */
    readonly coverageNote: string | null;
    readonly status: ContractStatus;
    readonly statusReason: string | null;
    /**
     * Whether the contract's name, symbol or tokens were read from the chain, and its answers were compared with its present protocol and
     * version, such as `uniswap-v2 1.0`.
     */
    readonly metadataRead: boolean;
    /** What the contract is instead of what it was registered as, if its answers or its code prove that. Null otherwise. */
    readonly identityFault: string | null;
    /**
     * What the contract is instead of what it was registered as, what its answers or code lack, or that it has no code. Null if there is
     * nothing to report.
     */
    readonly identityNote: string | null;
    /** Why the last search for the deployment block could not prove it. Null if no search failed, or a later search succeeded. */
    readonly deploymentNote: string | null;
    /** Whether the time and the transaction of the deployment were read from the chain. */
    readonly deploymentRead: boolean;
    /** The `pool_type` in the platform's row of a pool. Null for other kinds of contracts. */
    readonly poolType: string | null;
    /** Whether the state rows of the contract were reset to those of a contract without facts. They must be reset before it is followed. */
    readonly prepared: boolean;
    /** The newest block of the facts (decoded logs) that the platform's former indexer wrote for the contract; null if it wrote none. */
    readonly formerTo: number | null;
    /** Whether the platform's row of the contract still exists. */
    readonly announced: boolean;
    /**
     * The block whose log caused the quarantine. Null if the contract is not quarantined, or if its registration, not a log, caused the
     * quarantine.
     */
    readonly quarantinedAtBlock: number | null;
  };

/** The registered contracts of one chain, read from one database snapshot. */
export type Registry = {
  /**
   * The value of `indexer.chains.live_version`, a counter that increments when the set of followed contracts changes. It was read
   * together with the contracts. A follower's commit fails if the counter has changed since.
   */
  readonly liveVersion: number;
  /** Contracts of every status, ordered by address and kind. */
  readonly contracts: readonly RegisteredContract[];
};

type Row = {
  live_version: string;
  address: Hex | null;
  kind: ContractKind;
  abi_version: string;
  upgrades: readonly AbiUpgrade[];
  platform_id: string;
  master_id: string | null;
  artist_token_id: string | null;
  deployed_at_block: string | null;
  covered: string;
  live_from: string | null;
  fingerprint: string | null;
  coverage_note: string | null;
  status: ContractStatus;
  status_reason: string | null;
  metadata_read: boolean;
  identified_as: string | null;
  speaks_protocol: boolean | null;
  identity_note: string | null;
  deployment_note: string | null;
  deployment_read: boolean;
  pool_type: string | null;
  prepared: boolean;
  former_to: string | null;
  announced: boolean;
  quarantined_at_block: string | null;
};

/** Reads all contracts of a chain in one statement, so that the contracts and `liveVersion` come from one snapshot. */
export async function loadContracts(db: Kysely<DB>, chainId: number): Promise<Registry> {
  const { rows } = await sql<Row>`
    select
      coalesce(chain.live_version, 0) as live_version,
      contract.address, contract.kind, coalesce(master.abi_version, contract.abi_version) as abi_version, contract.platform_id,
      contract.upgrades, contract.fingerprint, contract.coverage_note,
      coalesce(master.master_id, dividend.master_id) as master_id,
      coalesce(token.id, pool.artist_token_id) as artist_token_id,
      contract.deployed_at_block, contract.covered::text, contract.live_from,
      contract.status, contract.status_reason, contract.metadata_read_at is not null as metadata_read, pool.pool_type,
      contract.identified_as, contract.speaks_protocol, contract.identity_note, contract.deployment_note,
      contract.deployment_read_at is not null as deployment_read,
      contract.prepared_at is not null as prepared, contract.former_to,
      coalesce(master.id, dividend.id, token.id, pool.id) is not null as announced, contract.quarantined_at_block
    from (values (${chainId}::bigint)) as asked (chain_id)
    left join indexer.chains chain using (chain_id)
    left join indexer.contracts contract using (chain_id)
    left join master_contracts master on contract.kind = 'master' and master.id = contract.platform_id
    left join dividend_contracts dividend on contract.kind = 'dividend' and dividend.id = contract.platform_id
    left join artist_tokens token on contract.kind = 'artist_token' and token.id = contract.platform_id
    left join liquidity_pools pool on contract.kind = 'pool' and pool.id = contract.platform_id
    order by contract.address, contract.kind
  `.execute(db);
  return {
    liveVersion: Number(rows[0]?.live_version ?? 0),
    contracts: rows.flatMap((row) => (row.address === null ? [] : [contractOf(chainId, row.address, row)])),
  };
}

function contractOf(chainId: number, address: Hex, row: Row): RegisteredContract {
  return {
    fingerprint: coverageFingerprint({ kind: row.kind, abiVersion: row.abi_version, upgrades: row.upgrades }),
    coveredFingerprint: row.fingerprint,
    coverageNote: row.coverage_note,
    chainId,
    address,
    kind: row.kind,
    abiVersion: row.abi_version,
    upgrades: row.upgrades,
    platformId: row.platform_id,
    masterId: row.master_id,
    artistTokenId: row.artist_token_id,
    deployedAtBlock: numberOf(row.deployed_at_block),
    covered: parseMultirange(row.covered),
    liveFrom: numberOf(row.live_from),
    status: row.status,
    statusReason: row.status_reason,
    ...identityOf(row),
    deploymentNote: row.deployment_note,
    deploymentRead: row.deployment_read,
    poolType: row.pool_type,
    prepared: row.prepared,
    formerTo: numberOf(row.former_to),
    announced: row.announced,
    quarantinedAtBlock: numberOf(row.quarantined_at_block),
  };
}

/**
 * Returns the recorded result of comparing a contract with its protocol. Ignores a result that is about another protocol than the present
 * one, because the platform may have changed the type of a pool since.
 */
function identityOf(row: Row): Pick<RegisteredContract, 'metadataRead' | 'identityFault' | 'identityNote'> {
  const chosen = chooseProtocol({ kind: row.kind, abiVersion: row.abi_version, poolType: row.pool_type });
  const isOther =
    row.identified_as !== null && 'protocol' in chosen && row.identified_as !== protocolKey(chosen.protocol);
  return {
    metadataRead: row.metadata_read && !isOther,
    identityFault: row.speaks_protocol === false && !isOther ? row.identity_note : null,
    identityNote: isOther ? null : row.identity_note,
  };
}

function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text);
}
