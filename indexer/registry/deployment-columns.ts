import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { ContractKind } from '../kernel/chain.ts';
import { platformTableOf } from './contract-rows.ts';
import type { RegisteredContract } from './contracts.ts';
import type { DeploymentBlock } from './deployment.ts';

/** The columns of the platform's tables for the block, time and transaction of a contract's deployment. Pools have none for the time. */
const COLUMNS = { block: 'deployed_at_block', time: 'deployed_at', transaction: 'deployment_tx_hash' } as const;
const COLUMNS_OF: Partial<Readonly<Record<ContractKind, { block: string; time: null; transaction: string }>>> = {
  pool: { block: 'created_at_block', time: null, transaction: 'created_at_tx_hash' },
};

/** The platform's values that `saveDeployment` replaced. Null where the platform had no value. */
export type FormerDeployment = { readonly block: string | null; readonly transaction: string | null };

/**
 * Writes the block, time and transaction of a contract's deployment into the platform's row. The platform's own values stay, unless the
 * receipt of the transaction that created the contract proves them wrong. Without this receipt, only missing values are written, and only
 * if the row does not name another block.
 *
 * @returns the values of the platform that were replaced. Undefined if no value was replaced
 */
export async function saveDeployment(
  db: Kysely<DB>,
  { kind, platformId }: RegisteredContract,
  { block, timestamp, transaction }: DeploymentBlock,
): Promise<FormerDeployment | undefined> {
  const { block: blockName, time: timeName, transaction: transactionName } = COLUMNS_OF[kind] ?? COLUMNS;
  const [blockColumn, transactionColumn] = [sql.ref(blockName), sql.ref(transactionName)];
  const [hasReceipt, time] = [transaction !== null, sql`to_timestamp(${timestamp}::float8)`];
  const isSame = sql<boolean>`(${hasReceipt}::boolean or before.block is null or before.block = ${block})`;
  const changes = [
    sql`${blockColumn} = case when ${isSame} then ${block} else before.block end`,
    sql`${transactionColumn} = coalesce(${transaction}::text, before.transaction)`,
    timeName === null
      ? []
      : sql`${sql.ref(timeName)} = case when ${hasReceipt}::boolean then ${time}
          when ${isSame} then coalesce(held.${sql.ref(timeName)}, ${time}) else held.${sql.ref(timeName)} end`,
  ].flat();
  const { rows } = await sql<FormerDeployment>`
    with before as (
      select id, ${blockColumn} as block, ${transactionColumn} as transaction
      from ${sql.table(platformTableOf(kind))} where id = ${platformId} for no key update
    )
    update ${sql.table(platformTableOf(kind))} held set ${sql.join(changes)}
    from before where held.id = before.id
    returning before.block, before.transaction
  `.execute(db);
  const former = rows[0];
  if (former === undefined || transaction === null) return undefined;
  const isWrong = (value: string | null, proved: string) => value !== null && value !== proved;
  const replaced = isWrong(former.block, String(block)) || isWrong(former.transaction, transaction);
  return replaced ? former : undefined;
}
