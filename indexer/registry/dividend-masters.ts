import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { UsageError } from '../kernel/errors.ts';

/** Whether a dividend contract pays the holders of a master contract of the same chain (`serves`). */
export type DividendLink = {
  readonly chainId: number;
  readonly dividend: Hex;
  readonly master: Hex;
  readonly serves: boolean;
};

/**
 * Links a master contract to a dividend contract, or unlinks it. This overrides what the platform's rows say. The stages, which compute
 * state behind the commits, then derive the dividends again, from the block on in which the later of the two contracts was deployed. A
 * repeated call changes nothing.
 *
 * @throws {UsageError} if one of the contracts is not registered
 */
export async function linkDividend(database: Database, link: DividendLink): Promise<void> {
  const { chainId, dividend, master, serves } = link;
  await transaction(database, async (tx) => {
    const dividendId = await platformIdOf(tx, chainId, 'dividend', dividend);
    const masterId = await platformIdOf(tx, chainId, 'master', master);
    // A trigger records from which block on the stages must derive dividends again.
    await sql`
      insert into indexer.dividend_masters as held (dividend_contract_id, master_contract_id, source, serves)
      values (${dividendId}, ${masterId}, 'command', ${serves})
      on conflict (dividend_contract_id, master_contract_id) do update set source = 'command', serves = excluded.serves
    `.execute(tx);
  });
}

/**
 * Updates the links between dividend and master contracts from the platform's rows, in case no trigger noticed a change of these rows.
 * Links that an operator set stay.
 */
export async function linkDividendMasters(db: Database['kysely']): Promise<void> {
  await sql`select indexer.link_dividend_masters('all', null)`.execute(db);
}

async function platformIdOf(tx: Transaction, chainId: number, kind: ContractKind, address: Hex): Promise<string> {
  const row = await tx
    .selectFrom('indexer.contracts')
    .select('platform_id')
    .where('chain_id', '=', String(chainId))
    .where('kind', '=', kind)
    .where('address', '=', address)
    .executeTakeFirst();
  if (row === undefined) throw new UsageError(`${address} is not a registered ${kind} contract of chain ${chainId}`);
  return row.platform_id;
}
