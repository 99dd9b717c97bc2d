import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { RpcError } from '../kernel/errors.ts';
import { protocols } from '../protocols/protocols.ts';
import type { CallSource } from '../protocols/shared/chain-reader.ts';
import { SUPPLY_KEY, SUPPLY_RULE, type SupplyRule } from '../protocols/shared/sweep-rule.ts';
import { totalSupplyAt } from '../protocols/shared/total-supply.ts';
import { recordDoubts, SWEEP_FACTS_MAX, windowEnd } from './sweep.ts';
import { supplyRuleOf } from './sweep-registry.ts';

/** The intervals at which a contract is asked for its supply: usually, and after it did not answer. */
const ASK_INTERVAL = '1 hour';
const ASK_AGAIN_INTERVAL = '1 day';
/** The maximum number of contracts that are asked in one round. */
const CONTRACTS_PER_ROUND = 4;

/** Dependencies of the comparison of supplies. */
export type SupplyDeps = {
  readonly database: Database;
  readonly chainId: number;
  readonly source: Pick<CallSource, 'call'>;
  /** Runs a statement, and pauses after it so that statements take only a small share of the time. */
  readonly paced: <T>(work: () => Promise<T>) => Promise<T>;
};

/** A contract to ask for its supply, with the supply as of `block` according to facts. */
type Asked = {
  readonly id: string;
  readonly address: Hex;
  readonly kind: ContractKind;
  /** The last block at which facts and the chain agreed. */
  readonly agreed: string;
  readonly block: string;
  readonly supply: string;
};

/** A block, and the supply as of this block from facts. */
type SupplyAt = { readonly block: number; readonly supply: bigint };

/**
 * Compares the supply that follows from the facts of some contracts with their `totalSupply()` at a final block. If they differ, a binary
 * search finds the blocks in which the difference arose, and these are recorded as a doubt, to be read again. Asks only contracts whose
 * facts were checked up to block `target`.
 */
export async function compareSupplies(deps: SupplyDeps, target: number, signal: AbortSignal): Promise<void> {
  for (const asked of await claimDue(deps, target)) {
    const rule = supplyRuleOf(asked.kind);
    if (rule !== undefined && !signal.aborted) await compareSupply(deps, asked, rule, signal);
  }
}

/** Returns the contracts that are due to be asked, and postpones the next time, so that no other process asks them too. */
async function claimDue({ database, chainId }: SupplyDeps, target: number): Promise<readonly Asked[]> {
  const ledgers = [...new Set(protocols.flatMap(({ contradictions }) => contradictions?.supply?.ledger.name ?? []))];
  const { rows } = await sql<Asked>`
    update indexer.sweeps sweep set asks_at = now() + ${ASK_INTERVAL}::interval
    from (
      select sweep.id, ledger.swept_to as block, coalesce(held.value, '0') as supply
      from indexer.sweeps sweep
      join indexer.sweeps ledger using (chain_id, address, kind)
      join indexer.contracts contract using (chain_id, address, kind)
      left join indexer.sweep_values held on held.sweep_id = ledger.id and held.key = ${SUPPLY_KEY}
      where chain_id = ${chainId} and sweep.rule = ${SUPPLY_RULE} and not sweep.property and sweep.swept_to < ledger.swept_to
        and (sweep.asks_at is null or sweep.asks_at <= now()) and contract.status = 'active'
        and ledger.rule = any(${ledgers}) and not ledger.property and ledger.swept_to >= ${target}
        and not exists (
          select from indexer.doubts doubt where doubt.chain_id = sweep.chain_id and doubt.address = sweep.address
            and doubt.kind = sweep.kind and doubt.rule = ${SUPPLY_RULE})
      order by sweep.asks_at nulls first, sweep.id limit ${CONTRACTS_PER_ROUND}
      for update of sweep skip locked
    ) due
    where sweep.id = due.id
    returning sweep.id, sweep.address, sweep.kind, sweep.swept_to as agreed, due.block, due.supply
  `.execute(database.kysely);
  return rows;
}

async function compareSupply(deps: SupplyDeps, asked: Asked, rule: SupplyRule, signal: AbortSignal): Promise<void> {
  const { database, source } = deps;
  const known = { block: Number(asked.block), supply: BigInt(asked.supply) };
  const answer = await totalSupplyAt(source, asked.address, known.block, signal);
  if (typeof answer === 'string') {
    await sql`
      update indexer.sweeps set asks_at = now() + ${ASK_AGAIN_INTERVAL}::interval where id = ${asked.id}
    `.execute(database.kysely);
    return;
  }
  if (answer === known.supply) {
    await sql`
      update indexer.sweeps set swept_to = ${asked.block} where id = ${asked.id} and swept_to = ${asked.agreed}
    `.execute(database.kysely);
    return;
  }
  const { from, to } = await findPlace(deps, asked, rule, known, signal);
  const detail = `totalSupply() is ${answer} at block ${asked.block}, but the facts give ${asked.supply}`;
  await transaction(database, async (tx) => {
    const { rows } = await sql`
      select from indexer.sweeps where id = ${asked.id} and swept_to = ${asked.agreed} and not property for no key update
    `.execute(tx);
    if (rows.length > 0) await recordDoubts(tx, [{ sweep: asked.id, from: String(from), to: String(to), detail }]);
  });
}

/**
 * Returns the blocks in which the supply according to facts begins to differ from `totalSupply()`. This is one block, or more if the search
 * reaches a block whose state no endpoint has.
 */
async function findPlace(
  deps: SupplyDeps,
  { address, agreed }: Asked,
  rule: SupplyRule,
  known: SupplyAt,
  signal: AbortSignal,
): Promise<{ readonly from: number; readonly to: number }> {
  let low = Number(agreed);
  let high = known;
  while (high.block - low > 1) {
    const middle = Math.floor((low + high.block) / 2);
    const answer = await totalSupplyAt(deps.source, address, middle, signal).catch(unlessAnswered);
    if (answer === 'unknown') break;
    const supply = high.supply - (await changeBetween(deps, rule, address, middle, high.block, signal));
    // A contract with a supply exists, so an endpoint that says that it does not exist has lost its state.
    if (answer === 'absent' && supply !== 0n) break;
    // A contract that does not exist yet has no supply.
    if (supply === (answer === 'absent' ? 0n : answer)) low = middle;
    else high = { block: middle, supply };
  }
  return { from: low + 1, to: high.block };
}

/** Returns `unknown` for an error by which a node may mean that it has no state of an old block. Throws all other errors. */
function unlessAnswered(error: unknown): 'unknown' {
  if (error instanceof RpcError && (error.kind === 'unknown-block' || (error.kind === 'unavailable' && error.answered)))
    return 'unknown';
  throw error;
}

/** Returns by how much facts in the blocks above `after`, up to and including `to`, change the supply of a contract. */
async function changeBetween(
  { database, chainId, paced }: SupplyDeps,
  { ledger, change }: SupplyRule,
  address: Hex,
  after: number,
  to: number,
  signal: AbortSignal,
): Promise<bigint> {
  let sum = 0n;
  for (let from = after; from < to; ) {
    signal.throwIfAborted();
    const limit = { chainId, from, to, factsMax: SWEEP_FACTS_MAX };
    from = await paced(async () => {
      const end = await windowEnd(database.kysely, limit, ledger);
      const { rows } = await change({ chainId, address, from: limit.from + 1, to: end }).execute(database.kysely);
      sum += BigInt(rows[0]?.change ?? 0);
      return end;
    });
  }
  return sum;
}
