import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { transaction } from '../db/transaction.ts';
import { lockChain } from '../progress/locks.ts';
import { sumIpoSupply } from '../protocols/erc721c/master-supply.ts';

/**
 * State that a commit cannot keep by itself because the row it belongs to may appear later: the platform inserts an IPO after its
 * tokens were minted, or a claim is read before its token. Safe to run at any time and beside anything.
 */
export async function settleStages(database: Database): Promise<void> {
  await settleSupplies(database);
  const { rows } = await sql<{ chain_id: string }>`select chain_id from indexer.chains order by chain_id`.execute(
    database.kysely,
  );
  for (const { chain_id } of rows) await linkClaims(database, Number(chain_id));
}

async function settleSupplies(database: Database): Promise<void> {
  const { rows } = await sql<{ master_id: string }>`
    select master_id from master_ipos ipo
    where minted_supply is distinct from
      coalesce((select sum(minted_supply) from master_contracts where master_id = ipo.master_id), 0)
  `.execute(database.kysely);
  if (rows.length === 0) return;
  const masters = rows.map(({ master_id }) => master_id);
  await transaction(database, (tx) => runSteps(tx, sumIpoSupply(sql`select unnest(${masters}::uuid[])`)));
}

/** Under the chain's lock, so that no unwind takes away a token that a claim is just being linked to. */
async function linkClaims(database: Database, chainId: number): Promise<void> {
  const { rows } = await sql`${linkable(chainId)} limit 1`.execute(database.kysely);
  if (rows.length === 0) return;
  await transaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'shared')]);
    await sql`
      update dividend_claims claim set master_nft_id = found.token_id
      from (${linkable(chainId)}) found where claim.id = found.claim_id
    `.execute(tx);
  });
}

/** Claims without a token, and the token that each is of. */
function linkable(chainId: number): RawBuilder<unknown> {
  return sql`
    select claim.id as claim_id, token.id as token_id
    from dividend_contracts contract
    join master_contracts master on master.chain_id = contract.chain_id and (
      master.contract_address = contract.linked_master_contract
      or (contract.linked_master_contract is null and master.master_id = contract.master_id))
    join dividend_claims claim on claim.dividend_contract_id = contract.id and claim.master_nft_id is null
    join master_nfts token on token.chain_id = master.chain_id and token.contract_address = master.contract_address
      and token.token_id = claim.token_id
    where token.last_position is not null and contract.chain_id = ${String(chainId)}
  `;
}
