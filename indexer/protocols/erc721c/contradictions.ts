import { sql } from 'kysely';
import { isInRange } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import {
  type Contradictions,
  firstContradictions,
  remembered,
  SUPPLY_KEY,
  type SweepRule,
  sweptContracts,
} from '../shared/sweep-rule.ts';
import { nftTransfers } from './nft-transfers.ts';

const existingChange = sql`
  (case when from_wallet = ${ZERO_ADDRESS} then 1 else 0 end - case when to_wallet = ${ZERO_ADDRESS} then 1 else 0 end)`;

/**
 * The rule that the sender of each transfer is the token's owner, which is the receiver of the token's previous transfer (EIP-721). If a
 * token was never minted or was burnt, the sender is the zero address. The rule stores the owner of each token and the supply, for the
 * next window (the block range that the sweep checks next).
 */
const owner: SweepRule = {
  name: 'owner',
  reads: [nftTransfers],
  mayBeOlder: false,
  ask: (window) => sql`
    with swept as materialized (${sweptContracts(window)}),
    moved as materialized (
      select swept.id, token_id::text as token, from_wallet, to_wallet, position,
        lag(to_wallet) over token as owner, lag(position) over token as since, lead(position) over token is null as is_last
      from (select * from nft_transfers where ${isInRange(nftTransfers, window, 'master')}) fact
      join swept on swept.address = fact.contract_address
      window token as (partition by swept.id, token_id order by position)
    ),
    known as materialized (
      select moved.id, token, from_wallet, moved.position,
        coalesce(moved.owner, held.value, ${ZERO_ADDRESS}) as owner, coalesce(since, held.position) as since
      from moved left join lateral (${remembered(sql`moved.id`, sql`moved.token`, sql`moved.since is null`)}) held on true
    ),
    kept as (
      insert into indexer.sweep_values (sweep_id, key, value, position)
      select id, token, to_wallet, position from moved where is_last order by id, token
      on conflict (sweep_id, key) do update set value = excluded.value, position = excluded.position
    ),
    supply as (
      insert into indexer.sweep_values as held (sweep_id, key, value, position)
      select id, ${SUPPLY_KEY}, sum(${existingChange})::text, max(position) from moved group by id order by id
      on conflict (sweep_id, key) do update set
        value = (held.value::numeric + excluded.value::numeric)::text, position = excluded.position
    ),
    found as (
      select id, since, position, 'token ' || token || ' is transferred from ' || from_wallet || ', but its owner is ' || owner as detail
      from known where from_wallet <> owner
    )
    ${firstContradictions()}
  `,
};

/** The rules by which a master's facts are checked for contradictions. */
export const masterContradictions: Contradictions = {
  rules: [owner],
  supply: {
    ledger: owner,
    change: ({ address, ...range }) => sql`
      select coalesce(sum(${existingChange}), 0) as change from nft_transfers
      where ${isInRange(nftTransfers, range, 'master')} and contract_address = ${address}
    `,
  },
};
