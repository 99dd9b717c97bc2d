import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import { positionOf } from '../facts/fold.ts';
import type { Hex } from '../kernel/chain.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { mergeRanges, type TokenRange } from './token-ranges.ts';

/** Maximum number of metadata events that one transaction reads. */
const EVENTS_MAX = 1_000;

/** An event of EIP-4906 that says which tokens have new metadata. In a `MetadataUpdate`, `from_token` and `to_token` are equal. */
type Update = {
  readonly address: Hex;
  readonly position: string;
  readonly from_token: string;
  readonly to_token: string;
};

/**
 * Records which tokens had their metadata updated since the last call, so that their URIs are read again. After a reorg, also records the
 * tokens whose URIs were read as of blocks that have been unwound.
 *
 * A `BatchMetadataUpdate` is recorded as one range, however many tokens it covers. Updates in older blocks, which backfills add, are
 * ignored, because every URI is read as of the head.
 */
export async function noteMetadataUpdates(database: Database, chainId: number): Promise<void> {
  await transaction(database, async (tx) => {
    const chain = await readChain(tx, chainId);
    if (chain.head === undefined) return;
    const eventsTo = await lockProgress(tx, chain, chain.head.number);
    const { rows } = await sql<Update>`
      select address, position, coalesce(arguments ->> '_fromTokenId', arguments ->> '_tokenId') as from_token,
        coalesce(arguments ->> '_toTokenId', arguments ->> '_tokenId') as to_token
      from indexer.contract_events
      where chain_id = ${chainId} and event in ('MetadataUpdate', 'BatchMetadataUpdate') and kind = 'master'
        and position > ${eventsTo}::bigint
      order by position limit ${EVENTS_MAX}
    `.execute(tx);
    const last = rows.at(-1);
    if (last === undefined) return;
    await noteTokens(tx, chainId, rows);
    await sql`
      update indexer.token_uri_progress set events_to = ${last.position}::bigint where chain_id = ${chainId}
    `.execute(tx);
  });
}

/**
 * Locks the chain's row in `token_uri_progress`. Returns the position up to which metadata events were recorded. If blocks were unwound,
 * lowers this position, and schedules the tokens whose URIs were read as of these blocks to be read again.
 */
async function lockProgress(tx: Transaction, { chainId, epoch }: ChainState, head: number): Promise<string> {
  await sql`
    insert into indexer.token_uri_progress (chain_id, events_to, epoch) values (${chainId}, ${positionOf(head + 1)} - 1, ${epoch})
    on conflict do nothing
  `.execute(tx);
  const { rows } = await sql<{ events_to: string; epoch: string }>`
    select events_to, epoch from indexer.token_uri_progress where chain_id = ${chainId} for no key update
  `.execute(tx);
  const stored = rows[0] ?? { events_to: '-1', epoch: String(epoch) };
  if (Number(stored.epoch) === epoch) return stored.events_to;
  const { rows: lowered } = await sql<{ events_to: string }>`
    with ancestor as (
      select min(to_number) as number from indexer.reorgs where chain_id = ${chainId} and epoch > ${stored.epoch}::bigint
    ),
    unread as (
      insert into indexer.token_uri_retries (chain_id, address, token_id)
      select chain_id, address, token_id from indexer.token_uri_reads, ancestor
      where chain_id = ${chainId} and block_number > ancestor.number
      on conflict (chain_id, address, token_id) do update set retry_at = now(), failures = 0
    )
    update indexer.token_uri_progress set epoch = ${epoch},
      events_to = least(events_to, (select (number + 1) * 4294967296 - 1 from ancestor))
    where chain_id = ${chainId} returning events_to
  `.execute(tx);
  return lowered[0]?.events_to ?? stored.events_to;
}

async function noteTokens(tx: Transaction, chainId: number, updates: readonly Update[]): Promise<void> {
  const single = updates.filter(({ from_token, to_token }) => from_token === to_token);
  await sql`
    insert into indexer.token_uri_retries (chain_id, address, token_id)
    select distinct ${chainId}::bigint, address, token_id
    from unnest(${single.map(({ address }) => address)}::text[], ${single.map((update) => update.from_token)}::numeric[])
      as updated (address, token_id)
    on conflict (chain_id, address, token_id) do update set retry_at = now(), failures = 0
  `.execute(tx);
  const batches = updates.filter(({ from_token, to_token }) => BigInt(from_token) < BigInt(to_token));
  for (const [address, ofContract] of Map.groupBy(batches, (update) => update.address)) {
    const ranges = ofContract.map(({ from_token, to_token }) => ({ from: BigInt(from_token), to: BigInt(to_token) }));
    await noteRanges(tx, chainId, address, ranges);
  }
}

/**
 * Adds ranges of updated tokens to those ranges of a contract of which no token was read yet, and merges them. A range that is partly read
 * stays as it is: its tokens that were updated again are read in a new range.
 */
async function noteRanges(
  tx: Transaction,
  chainId: number,
  address: Hex,
  ranges: readonly TokenRange[],
): Promise<void> {
  const { rows } = await sql<{ from_token: string; to_token: string }>`
    delete from indexer.token_uri_ranges where chain_id = ${chainId} and address = ${address} and next_token = from_token
    returning from_token, to_token
  `.execute(tx);
  const waiting = rows.map(({ from_token, to_token }) => ({ from: BigInt(from_token), to: BigInt(to_token) }));
  const merged = mergeRanges([...waiting, ...ranges]);
  await sql`
    insert into indexer.token_uri_ranges (chain_id, address, from_token, to_token, next_token)
    select ${chainId}::bigint, ${address}, from_token, to_token, from_token
    from unnest(${merged.map(({ from }) => String(from))}::numeric[], ${merged.map(({ to }) => String(to))}::numeric[])
      as merged (from_token, to_token)
    order by from_token
  `.execute(tx);
}
