import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import { type Hex, ZERO_ADDRESS } from '../kernel/chain.ts';

/** A token of a master. */
export type Token = { readonly address: Hex; readonly tokenId: string };

/** The next tokens of a range of updated tokens. `next` is the first token id after them, or null if they are the last of the range. */
export type RangePiece = { readonly id: string; readonly tokens: readonly Token[]; readonly next: string | null };

type TokenRow = { readonly address: Hex; readonly token_id: string };

const tokenOf = ({ address, token_id: tokenId }: TokenRow): Token => ({ address, tokenId });

/**
 * Returns tokens that are due to be read again, because their metadata was updated or an earlier attempt failed. Deletes the entries of
 * tokens that do not exist or were burnt, and of tokens whose contract is not followed.
 */
export async function dueTokens(db: Kysely<DB>, chainId: number, limit: number): Promise<readonly Token[]> {
  const { rows } = await sql<TokenRow>`
    with due as materialized (
      select chain_id, address, token_id, nft.token_id is not null as is_present
      from indexer.token_uri_retries retry
      left join lateral (
        select token_id from master_nfts
        join indexer.contracts contract on contract.platform_id = master_contract_id and contract.kind = 'master' and contract.status = 'active'
        where master_nfts.chain_id = ${String(chainId)} and master_nfts.contract_address = retry.address
          and master_nfts.token_id = retry.token_id and current_owner_wallet <> ${ZERO_ADDRESS} and last_position is not null
      ) nft using (token_id)
      where chain_id = ${chainId} and retry_at <= now() order by retry_at limit ${limit}
    ),
    forgotten as (
      delete from indexer.token_uri_retries retry using due
      where not due.is_present and retry.chain_id = due.chain_id and retry.address = due.address and retry.token_id = due.token_id
    )
    select address, token_id::text from due where is_present
  `.execute(db);
  return rows.map(tokenOf);
}

/** Returns the next tokens of each contract's oldest range of updated tokens: at most `limit` in all, and `limitOfContract` of each. */
export async function rangePieces(
  db: Kysely<DB>,
  chainId: number,
  { limit, limitOfContract }: { readonly limit: number; readonly limitOfContract: number },
): Promise<readonly RangePiece[]> {
  const { rows } = await sql<{ id: string; address: Hex; to_token: string; token_ids: string[] }>`
    select id, address, to_token, token_ids from (
      select distinct on (address) id, address, next_token, to_token from indexer.token_uri_ranges
      where chain_id = ${chainId} order by address, id
    ) oldest, lateral (
      select coalesce(array_agg(token_id::text order by token_id), '{}') as token_ids from (
        select token_id from master_nfts
        where chain_id = ${String(chainId)} and contract_address = oldest.address and token_id between next_token and to_token
          and current_owner_wallet <> ${ZERO_ADDRESS} and last_position is not null
        order by token_id limit ${limitOfContract}
      ) next
    ) piece
    order by id limit ${Math.max(1, Math.floor(limit / limitOfContract))}
  `.execute(db);
  return rows.map(({ id, address, to_token: last, token_ids: tokenIds }) => {
    const reached = tokenIds.at(-1);
    const isWhole = tokenIds.length < limitOfContract || reached === undefined || reached === last;
    const tokens = tokenIds.map((tokenId) => ({ address, tokenId }));
    return { id, tokens, next: isWhole ? null : String(BigInt(reached) + 1n) };
  });
}

/** A master with tokens whose URI is unknown. */
export type UnreadMaster = { readonly id: string; readonly address: Hex };

/** Returns the followed masters of a chain that have tokens without a URI. */
export async function unreadMasters(db: Kysely<DB>, chainId: number): Promise<readonly UnreadMaster[]> {
  const { rows } = await sql<UnreadMaster>`
    select platform_id as id, address from indexer.contracts contract
    where chain_id = ${chainId} and kind = 'master' and status = 'active'
      and exists (select from master_nfts where master_contract_id = contract.platform_id and token_uri is null)
    order by address
  `.execute(db);
  return rows;
}

/** Tokens of one master to read the URIs of. `lookedAt` is the id of the last token that was looked at, or undefined if none is left. */
export type UnreadPiece = { readonly tokens: readonly Token[]; readonly lookedAt: string | undefined };

/** The maximum number of tokens without a URI that one statement looks at. Most of them may have been burnt or tried before. */
const LOOKED_AT_MAX = 1_000;

/** Returns tokens of a master that have no URI and were not tried before, in the order of their ids. Begins after the id `after`. */
export async function unreadTokens(
  db: Kysely<DB>,
  chainId: number,
  { id, address }: UnreadMaster,
  after: string,
  limit: number,
): Promise<UnreadPiece> {
  const { rows } = await sql<{ token_id: string; is_burnt: boolean; is_tried: boolean }>`
    select unread.token_id::text, is_burnt, retry.token_id is not null as is_tried
    from (
      select token_id, current_owner_wallet = ${ZERO_ADDRESS} or last_position is null as is_burnt from master_nfts
      where master_contract_id = ${id} and token_uri is null and token_id > ${after}::numeric
      order by token_id limit ${LOOKED_AT_MAX}
    ) unread
    left join indexer.token_uri_retries retry
      on retry.chain_id = ${chainId} and retry.address = ${address} and retry.token_id = unread.token_id
    order by unread.token_id
  `.execute(db);
  const candidates = rows.filter((row) => !row.is_burnt && !row.is_tried).slice(0, limit);
  const isCut = candidates.length === limit;
  const lookedAt = isCut
    ? candidates.at(-1)?.token_id
    : rows.length < LOOKED_AT_MAX
      ? undefined
      : rows.at(-1)?.token_id;
  return { tokens: candidates.map(({ token_id: tokenId }) => ({ address, tokenId })), lookedAt };
}
