import { sql } from 'kysely';
import { eventsWithin, type Fold, positionOf } from './fold.ts';

/** A master's royalty in basis points: the `feeNumerator` of its latest `DefaultRoyaltySet` (over 10,000 as in ERC-2981's OpenZeppelin form). */
export const royalty: Fold = {
  name: 'royalty',
  reads: 'contractEvents',

  async apply(tx, range) {
    await sql`
      with latest as (
        select distinct on (address) address, position, arguments
        from indexer.contract_events where ${eventsWithin(range, 'master', 'DefaultRoyaltySet')} order by address, position desc
      ),
      locked as (
        select master.id, latest.position, latest.arguments
        from latest
        join indexer.contracts contract
          on contract.chain_id = ${range.chainId} and contract.address = latest.address and contract.kind = 'master'
        join master_contracts master on master.id = contract.platform_id
        order by master.contract_address for no key update of master
      )
      update master_contracts master set
        contract_royalty_bps = (locked.arguments ->> 'feeNumerator')::numeric, royalty_position = locked.position
      from locked
      where master.id = locked.id and (master.royalty_position is null or master.royalty_position < locked.position)
    `.execute(tx);
  },

  async unwind(tx, range) {
    await sql`
      with touched as (
        select distinct contract.chain_id, contract.address, contract.platform_id
        from (select * from indexer.contract_events where ${eventsWithin(range, 'master', 'DefaultRoyaltySet')}) fact
        join indexer.contracts contract using (chain_id, address, kind)
      )
      update master_contracts master set
        contract_royalty_bps = (previous.arguments ->> 'feeNumerator')::numeric, royalty_position = previous.position
      from touched left join lateral (
        select arguments, position from indexer.contract_events event
        where event.chain_id = touched.chain_id and event.address = touched.address and event.kind = 'master'
          and event.event = 'DefaultRoyaltySet' and event.position < ${positionOf(range.from)}
        order by position desc limit 1
      ) previous on true
      where master.id = touched.platform_id
    `.execute(tx);
  },
};
