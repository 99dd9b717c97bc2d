import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import { protocols } from '../protocols/protocols.ts';
import { SUPPLY_RULE, type SupplyRule, type SweepRule } from '../protocols/shared/sweep-rule.ts';

/** A rule that the facts of one kind of contract must obey. */
export type KindRule = { readonly kind: string; readonly rule: SweepRule };

/** The maximum number of rows of `indexer.sweep_values` that one statement deletes. */
const FORGOTTEN_VALUES_MAX = 5_000;

/** Each rule of each protocol, as rows for SQL: one for each type of pool, or one with a null type if the protocol is not for pools. */
const ruledProtocols = protocols.flatMap(({ kind, version, poolTypes = [null], contradictions }) =>
  [...(contradictions?.rules ?? []).map(({ name }) => name), ...(contradictions?.supply ? [SUPPLY_RULE] : [])].flatMap(
    (rule) => poolTypes.map((poolType) => ({ kind, version, poolType, rule })),
  ),
);

/** The rules against which facts are checked, one range of blocks at a time. Rules about the supply are not among them. */
export const sweepRules: readonly KindRule[] = protocols.flatMap(({ kind, contradictions }) =>
  (contradictions?.rules ?? []).map((rule) => ({ kind, rule })),
);

/** Returns the rule by which the supply of a kind of contract follows from facts. Undefined if it has no such rule. */
export function supplyRuleOf(kind: string): SupplyRule | undefined {
  return protocols.find((protocol) => protocol.kind === kind)?.contradictions?.supply;
}

/**
 * Adds sweeps of new contracts: a sweep checks the facts of a contract against a rule, from the first block up. Starts a sweep over if its
 * contract lost its facts, if the contract's history begins earlier than before, or if facts changed at or below the last checked block.
 *
 * @returns false if too many stored values of restarted or ended sweeps are left to delete at once. The next call deletes more of them
 */
export async function beginSweeps(tx: Transaction, chainId: number): Promise<boolean> {
  await sql`
    insert into indexer.sweeps (chain_id, address, kind, rule)
    select distinct contract.chain_id, contract.address, contract.kind, protocol.rule
    from indexer.contracts contract
    left join master_contracts master on contract.kind = 'master' and master.id = contract.platform_id
    left join liquidity_pools pool on contract.kind = 'pool' and pool.id = contract.platform_id
    join ${protocolRows()} on protocol.kind = contract.kind
      and (protocol.pool_type is null or protocol.pool_type = pool.pool_type::text)
      and (protocol.version = coalesce(master.abi_version, contract.abi_version)
        or contract.upgrades @> jsonb_build_array(jsonb_build_object('abiVersion', protocol.version)))
    where contract.chain_id = ${chainId} and contract.status = 'active' and contract.prepared_at is not null
      and not exists (
        select from indexer.sweeps sweep where sweep.chain_id = contract.chain_id and sweep.address = contract.address
          and sweep.kind = contract.kind and sweep.rule = protocol.rule)
    on conflict do nothing
  `.execute(tx);
  await sql`
    update indexer.sweeps sweep set swept_to = null, property = false from indexer.contracts contract
    where ${isOfContract(chainId)} and swept_to is not null and ${isOutdated}
  `.execute(tx);
  const { numAffectedRows: forgotten } = await sql`
    delete from indexer.sweep_values where (sweep_id, key) in (
      select held.sweep_id, held.key from indexer.sweeps sweep
      cross join lateral (select sweep_id, key from indexer.sweep_values where sweep_id = sweep.id limit ${FORGOTTEN_VALUES_MAX}) held
      where chain_id = ${chainId} and (swept_to is null or property) limit ${FORGOTTEN_VALUES_MAX})
  `.execute(tx);
  if (Number(forgotten) === FORGOTTEN_VALUES_MAX) return false;
  await sql`
    with begun as (
      update indexer.sweeps sweep set first_block = coalesce(deployed_at_block, 0), swept_to = coalesce(deployed_at_block, 0) - 1,
        prepared_at = contract.prepared_at, started_at = now(), asks_at = null
      from indexer.contracts contract
      where ${isOfContract(chainId)} and swept_to is null and contract.prepared_at is not null
      returning sweep.chain_id, sweep.address, sweep.kind, sweep.rule
    )
    delete from indexer.doubts doubt using begun
    where doubt.chain_id = begun.chain_id and doubt.address = begun.address and doubt.kind = begun.kind and doubt.rule = begun.rule
  `.execute(tx);
  return true;
}

/** An SQL condition on a `sweep` and its `contract`: since the sweep began, the facts were deleted or the history begins earlier. */
export const isOutdated: RawBuilder<boolean> = sql`
  (sweep.prepared_at is distinct from contract.prepared_at or sweep.first_block > coalesce(contract.deployed_at_block, 0))`;

function isOfContract(chainId: number): RawBuilder<boolean> {
  return sql`sweep.chain_id = ${chainId} and contract.chain_id = sweep.chain_id and contract.address = sweep.address
    and contract.kind = sweep.kind`;
}

function protocolRows(): RawBuilder<unknown> {
  return sql`unnest(
    ${ruledProtocols.map(({ kind }) => kind)}::text[], ${ruledProtocols.map(({ version }) => version)}::text[],
    ${ruledProtocols.map(({ poolType }) => poolType)}::text[], ${ruledProtocols.map(({ rule }) => rule)}::text[]
  ) as protocol (kind, version, pool_type, rule)`;
}
