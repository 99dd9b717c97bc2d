import { sql } from 'kysely';
import type { ExpectedRows, RegisteredRow } from '../../facts/fact-table.ts';
import { isFactOf } from '../../facts/facts-sql.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { contractEvents } from './contract-events.ts';
import { balancesOf } from './expected-balances.ts';

const transfers = (contract: RegisteredRow) => sql`
  select arguments ->> 'from' as sender, arguments ->> 'to' as receiver, (arguments ->> 'value')::numeric as value, position,
    block_timestamp, tx_hash
  from indexer.contract_events where ${isFactOf(contractEvents, contract)} and event = 'Transfer'`;

const reserve = (contract: RegisteredRow, argument: string) => sql`
  coalesce((
    select (arguments ->> ${sql.lit(argument)})::numeric from indexer.contract_events
    where ${isFactOf(contractEvents, contract)} and event = 'Sync' order by position desc limit 1), 0)`;

/** The rows of `pool_positions` that must be stored according to the facts of a Uniswap V2 pair. Their ticks are null. */
export const expectedPositions: ExpectedRows = {
  keyColumns: 5,
  rows: (contract) => sql`
    select ${String(contract.chainId)}, ${contract.address}, wallet, null, null, balance, first_position, entered_at, entry_tx_hash
    from (${balancesOf(transfers(contract))}) held`,
};

/**
 * The reserves and the supply of a Uniswap V2 pair, computed from its facts. Only a transfer from the pair itself to the zero address
 * reduces the supply.
 */
export const expectedPool: ExpectedRows = {
  keyColumns: 2,
  rows: (contract) => sql`
    select ${String(contract.chainId)}, ${contract.address}, ${reserve(contract, 'reserve0')}, ${reserve(contract, 'reserve1')},
      (select coalesce(sum(case when sender = ${ZERO_ADDRESS} then value
          when receiver = ${ZERO_ADDRESS} and sender = ${contract.address} then -value else 0 end), 0)
        from (${transfers(contract)}) transfer)`,
};
