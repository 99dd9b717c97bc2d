import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import type { RangePiece, Token } from './unread-tokens.ts';

/** The URI that a token's contract answered, or why there is none. */
export type UriAnswer = Token & ({ readonly uri: string } | { readonly reason: string });

/** The pause after a token's URI could not be read. Each further failure multiplies it by `RETRY_GROWTH`, up to `RETRY_MAX_SECONDS`. */
const RETRY_BASE_SECONDS = 600;
const RETRY_GROWTH = 4;
const RETRY_MAX_SECONDS = 30 * 86_400;
const RETRY_GROWN_MAX = 10;

/**
 * The result of reading token URIs as of `block`: the answer for each token, and for each range of tokens the token id at which the next
 * reading of this range begins.
 */
export type UriReading = {
  readonly chainId: number;
  readonly block: number;
  readonly finalized: number;
  readonly answers: readonly UriAnswer[];
  readonly ranges: readonly RangePiece[];
};

/**
 * Stores the URIs that were read, the time of the next attempt for each token whose URI could not be read, and how far each range of tokens
 * was read. A token whose URI could not be read keeps its stored URI.
 */
export async function saveUris(database: Database, reading: UriReading): Promise<void> {
  const { chainId, block, finalized, answers, ranges } = reading;
  const read = answers.filter((answer) => 'uri' in answer);
  const failed = answers.filter((answer) => 'reason' in answer);
  await transaction(database, async (tx) => {
    await saveRead(tx, chainId, read);
    await sql`delete from indexer.token_uri_reads where chain_id = ${chainId} and block_number <= ${finalized}`.execute(
      tx,
    );
    if (block > finalized) {
      await sql`
        insert into indexer.token_uri_reads (chain_id, address, token_id, block_number)
        select ${chainId}::bigint, address, token_id, ${block}::bigint from ${rowsOf(read)}
        on conflict (chain_id, address, token_id) do update set block_number = excluded.block_number
      `.execute(tx);
    }
    await sql`
      insert into indexer.token_uri_retries as held (chain_id, address, token_id, failures, reason, retry_at)
      select ${chainId}::bigint, address, token_id, 1, reason, now() + ${RETRY_BASE_SECONDS}::float8 * interval '1 second'
      from ${rowsOf(failed)} join unnest(${failed.map(({ reason }) => reason)}::text[]) with ordinality as why (reason, place) using (place)
      on conflict (chain_id, address, token_id) do update set
        failures = held.failures + 1, reason = excluded.reason,
        retry_at = now() + least(${RETRY_MAX_SECONDS}::float8,
          ${RETRY_BASE_SECONDS}::float8 * ${RETRY_GROWTH}::float8 ^ least(held.failures, ${RETRY_GROWN_MAX}::int))
          * interval '1 second'
    `.execute(tx);
    for (const { id, next } of ranges) {
      if (next === null) await sql`delete from indexer.token_uri_ranges where id = ${id}`.execute(tx);
      else await sql`update indexer.token_uri_ranges set next_token = ${next}::numeric where id = ${id}`.execute(tx);
    }
  });
}

async function saveRead(
  tx: Transaction,
  chainId: number,
  read: readonly (Token & { readonly uri: string })[],
): Promise<void> {
  await sql`
    with given as (
      select address, token_id, uri
      from ${rowsOf(read)} join unnest(${read.map(({ uri }) => uri)}::text[]) with ordinality as found (uri, place) using (place)
    ),
    locked as (
      select nft.id, given.uri
      from given join master_nfts nft on nft.chain_id = ${String(chainId)} and nft.contract_address = given.address
        and nft.token_id = given.token_id
      order by nft.contract_address, nft.token_id -- the order in which every commit locks rows
      for no key update of nft
    )
    update master_nfts nft set token_uri = locked.uri
    from locked where nft.id = locked.id and nft.token_uri is distinct from locked.uri
  `.execute(tx);
  await sql`
    delete from indexer.token_uri_retries retry using ${rowsOf(read)}
    where retry.chain_id = ${chainId} and retry.address = token.address and retry.token_id = token.token_id
  `.execute(tx);
}

/** Returns SQL for tokens as rows `token (address, token_id, place)`. */
function rowsOf(tokens: readonly Token[]) {
  const addresses = tokens.map(({ address }) => address);
  const ids = tokens.map(({ tokenId }) => tokenId);
  return sql`unnest(${addresses}::text[], ${ids}::numeric[]) with ordinality as token (address, token_id, place)`;
}
