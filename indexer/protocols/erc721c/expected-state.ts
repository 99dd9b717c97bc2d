import { type RawBuilder, sql } from 'kysely';
import type { ExpectedRows, RegisteredRow } from '../../facts/fact-table.ts';
import { isFactOf } from '../../facts/facts-sql.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { nftTransfers } from './nft-transfers.ts';

/** Returns a query for the first three mints of a contract. Mints of one log are ordered by token id. */
const firstMints = (contract: RegisteredRow) => sql`
  select token_id, to_wallet, row_number() over (order by position, token_id) as place from nft_transfers
  where ${isFactOf(nftTransfers, contract)} and transfer_type = 'mint' order by position, token_id limit 3`;

/** The rows of `master_nfts` that must be stored according to the facts of a master. */
export const expectedNfts: ExpectedRows = {
  keyColumns: 3,
  rows: (contract) => sql`
    with fact as materialized (
      select token_id, to_wallet, transfer_type, position, tx_hash, block_number, block_timestamp, sale_price_wei
      from nft_transfers where ${isFactOf(nftTransfers, contract)}
    ),
    latest as (select distinct on (token_id) token_id, to_wallet, position from fact order by token_id, position desc),
    minted as (
      select distinct on (token_id) fact.*, count(*) over (partition by token_id) as mints
      from fact where transfer_type = 'mint' order by token_id, position
    ),
    mover as (
      select token_id, bool_or(place = 1) as first, bool_or(place = 2) as second, bool_or(place = 3) as third
      from (${firstMints(contract)}) early group by token_id
    ),
    -- claims up to the last block that the stage dividends has processed
    paid as (
      select token_id, coalesce(sum(amount_claimed) filter (where currency = ${ZERO_ADDRESS}), 0) as amount,
        max(block_timestamp) as claimed_at
      from (
        select id, token_id from master_nfts where chain_id = ${String(contract.chainId)} and contract_address = ${contract.address}
      ) token join (
        select master_nft_id, currency, amount_claimed, block_timestamp from dividend_claims
        where chain_id = ${String(contract.chainId)} and block_hash is not null
          and block_number <= (select block from indexer.dividend_progress where chain_id = ${contract.chainId})
      ) claim on claim.master_nft_id = token.id
      group by token_id
    )
    select ${String(contract.chainId)}, ${contract.address}, token_id, latest.to_wallet, coalesce(minted.to_wallet, ${ZERO_ADDRESS}),
      coalesce(mover.first, false), coalesce(mover.second, false), coalesce(mover.third, false),
      minted.tx_hash, minted.block_number, minted.block_timestamp, minted.sale_price_wei, coalesce(minted.mints, 0),
      latest.position, minted.position, coalesce(paid.amount, 0), paid.claimed_at
    from latest left join minted using (token_id) left join mover using (token_id) left join paid using (token_id)`,
};

const minter = (contract: RegisteredRow, place: number) => sql`
  (select to_wallet from (${firstMints(contract)}) early where place = ${place})`;

/** The supplies, the royalty and the first minters of a master, computed from its facts. */
export const expectedMaster: ExpectedRows = {
  keyColumns: 2,
  rows: (contract) => sql`
    select ${String(contract.chainId)}, ${contract.address},
      (select coalesce(sum(case when to_wallet = ${ZERO_ADDRESS} then -1 else 1 end), 0) from nft_transfers
        where ${isFactOf(nftTransfers, contract)} and transfer_type in ('mint', 'burn')),
      (select count(distinct token_id) from nft_transfers where ${isFactOf(nftTransfers, contract)} and transfer_type = 'mint'),
      (select (arguments ->> 'feeNumerator')::numeric from indexer.contract_events
        where ${isFactOf(contractEvents, contract)} and event = 'DefaultRoyaltySet' order by position desc limit 1),
      ${minter(contract, 1)}, ${minter(contract, 2)}, ${minter(contract, 3)}`,
};

/** Returns a query for all master contracts, on any chain, whose platform rows have the same `master_id` as that of a contract. */
const siblings = ({ platformId }: RegisteredRow): RawBuilder<unknown> => sql`
  select chain_id, contract_address from master_contracts
  where master_id = (select master_id from master_contracts where id = ${platformId})`;

/** The row of `master_ipos` that must be stored according to the facts of all master contracts with the `master_id` of a contract. */
export const expectedIpo: ExpectedRows = {
  keyColumns: 1,
  belongsTo: ({ chainId, address }) => sql`${`${chainId}:${address}`} = any(string_to_array(c0, ','))`,
  rows: (contract) => sql`
    select string_agg(chain_id || ':' || contract_address, ',' order by chain_id, contract_address), sum(minted.tokens)
    from (${siblings(contract)}) sibling, lateral (
      select count(distinct token_id) as tokens from nft_transfers fact
      where fact.chain_id = sibling.chain_id and fact.contract_address = sibling.contract_address
        and transfer_type = 'mint' and block_hash is not null
    ) minted
    having exists (
      select from master_ipos where master_id = (select master_id from master_contracts where id = ${contract.platformId}))`,
};

/** Two columns to compare instead of the many rows of a snapshot of owners: the number of rows, and the sum of the rows' hashes. */
const content = (token: string, owner: string, timestamp: string) => sql`
  count(*), sum(hashtextextended(${sql.ref(token)} || ' ' || ${sql.ref(owner)} || ' ' || extract(epoch from ${sql.ref(timestamp)}), 0)::numeric)`;

/**
 * The snapshots of the owners of a master's tokens that must be stored: one at each distribution of dividends to these tokens, unless an
 * operator turned these snapshots off, and one for each request.
 */
export const expectedSnapshots: ExpectedRows = {
  keyColumns: 5,
  compared: {
    rows: sql`(
      select chain_id, contract_address, snapshot_block_number, snapshot_log_index, snapshot_reason,
        ${content('token_id', 'owner_wallet', 'snapshot_timestamp')}
      from nft_ownership_snapshots where snapshot_log_index is not null group by 1, 2, 3, 4, 5
    ) snapshot (chain_id, contract_address, snapshot_block_number, snapshot_log_index, snapshot_reason, rows, content)`,
    columns: [
      'chain_id',
      'contract_address',
      'snapshot_block_number',
      'snapshot_log_index',
      'snapshot_reason',
      'rows',
      'content',
    ],
  },
  rows: (contract) => sql`
    with moment as materialized (
      select block_number, log_index::bigint, 'dividend' as reason, block_timestamp as at, event.position as below
      from dividend_events event join indexer.dividend_masters link using (dividend_contract_id)
      where link.master_contract_id = ${contract.platformId} and link.serves and event.chain_id = ${String(contract.chainId)}
        and event.event_type = 'distribution' and event.block_hash is not null and not exists (
          select from indexer.snapshot_settings
          where chain_id = ${contract.chainId} and contract_address = ${contract.address} and not dividend)
      union
      select request.block_number, 4294967295, reason, coalesce(checkpoint.timestamp, block_timestamp),
        (request.block_number + 1) * 4294967296
      from indexer.snapshot_requests request
      left join indexer.block_checkpoints checkpoint
        on checkpoint.chain_id = request.chain_id and checkpoint.number = request.block_number
      where request.chain_id = ${contract.chainId} and contract_address = ${contract.address}
    ),
    owned as (
      select token_id, to_wallet as owner, position as since, lead(position) over (partition by token_id order by position) as until
      from nft_transfers where ${isFactOf(nftTransfers, contract)}
    )
    select ${String(contract.chainId)}, ${contract.address}, block_number, log_index, reason, ${content('token_id', 'owner', 'at')}
    from moment join owned on since < below and coalesce(until >= below, true)
    where owner <> ${ZERO_ADDRESS}
      and block_number <= (select as_of_number from indexer.stages where chain_id = ${contract.chainId} and name = 'snapshots')
    group by block_number, log_index, reason`,
};
