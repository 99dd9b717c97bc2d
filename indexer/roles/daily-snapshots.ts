import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/database.ts';
import type { DB } from '../db/schema.ts';
import type { BlockHeader, Hex } from '../kernel/chain.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import type { Logger } from '../observability/log.ts';
import { readChain } from '../progress/chains.ts';
import type { Source } from '../source/source.ts';
import { requestSnapshot } from '../stages/request-snapshot.ts';

/**
 * A master (an NFT contract) with more tokens than this gets daily snapshots only if an operator asks for them (`indexer contracts
 * snapshots`). 5,000 tokens make 1.8 million rows and 0.8 GB a year.
 */
const DAILY_TOKENS_MAX = 5_000;
const DAY_SECONDS = 86_400;

/** Dependencies of the daily snapshots of a chain. */
export type DailySnapshotsDeps = {
  readonly database: Database;
  readonly chainId: number;
  readonly source: Pick<Source, 'header'>;
  readonly log: Logger;
};

/**
 * A master with a daily snapshot to take. `doneTo`: the time in Unix seconds after which snapshots are missing. `asks`: no snapshot is
 * taken before an operator decides, because the master has more than `DAILY_TOKENS_MAX` tokens.
 */
type DueMaster = {
  readonly address: Hex;
  readonly doneTo: number;
  readonly deployedAt: number;
  readonly asks: boolean;
};

/**
 * Takes daily snapshots: the owners of the tokens of each master at the end of the last block before each midnight (UTC, by block time). A
 * midnight is due once the finalized block is at or after it, because the block before it can no longer change. Snapshots that were missed
 * since the registration of the master are taken later.
 */
export class DailySnapshots {
  readonly #deps: DailySnapshotsDeps;
  readonly #asked = new Set<Hex>();

  constructor(deps: DailySnapshotsDeps) {
    this.#deps = deps;
  }

  /** Takes the snapshots that are due, except those of masters whose history is incomplete. */
  async takeDue(signal: AbortSignal): Promise<void> {
    const { database, chainId, source, log } = this.#deps;
    const { finalized } = await readChain(database.kysely, chainId);
    if (finalized === undefined) return;
    const masters = await dueMasters(database.kysely, chainId);
    if (masters.length === 0) return;
    const final = await source.header(finalized, signal);
    if (final === undefined) return;
    const blocks = new Map<number, BlockHeader | undefined>();
    for (const master of masters) {
      if (master.asks) this.#ask(master.address);
      else {
        await this.#takeOf(master, final, blocks, signal).catch((error: unknown) => {
          if (!(error instanceof IndexerError) || signal.aborted) throw error;
          log.debug({ chain: chainId, contract: master.address, reason: messageOf(error) }, 'daily snapshot postponed');
        });
      }
    }
  }

  async #takeOf(
    { address: contract, doneTo, deployedAt }: DueMaster,
    final: BlockHeader,
    blocks: Map<number, BlockHeader | undefined>,
    signal: AbortSignal,
  ): Promise<void> {
    const { database, chainId } = this.#deps;
    const first = (Math.floor(doneTo / DAY_SECONDS) + 1) * DAY_SECONDS;
    for (let midnight = first; midnight <= final.timestamp; midnight += DAY_SECONDS) {
      signal.throwIfAborted();
      if (!blocks.has(midnight)) blocks.set(midnight, await this.#lastBefore(midnight, final, signal));
      const block = blocks.get(midnight);
      if (block !== undefined && block.number >= deployedAt) {
        const request = { chainId, contract, block: block.number, reason: 'daily' };
        await requestSnapshot(database, request, block.timestamp);
      }
      await sql`
        insert into indexer.snapshot_settings (chain_id, contract_address, daily_to)
        values (${chainId}, ${contract}, to_timestamp(${midnight}))
        on conflict (chain_id, contract_address) do update set daily_to = excluded.daily_to
      `.execute(database.kysely);
    }
  }

  /** Returns the last block before a time. Undefined if there is none. */
  async #lastBefore(time: number, final: BlockHeader, signal: AbortSignal): Promise<BlockHeader | undefined> {
    const { database, chainId, source } = this.#deps;
    const known = await checkpointsAround(database.kysely, chainId, time);
    let [before, after] = [known.before ?? -1, Math.min(known.after ?? final.number, final.number)];
    let found: BlockHeader | undefined;
    while (after - before > 1 || (before >= 0 && found?.number !== before)) {
      const number = after - before > 1 ? Math.floor((before + after) / 2) : before;
      const header = await source.header(number, signal);
      if (header === undefined) throw new IndexerError(`no endpoint serves block ${number}`);
      if (header.timestamp < time) [before, found] = [number, header];
      else [after, before] = [number, Math.min(before, number - 1)];
    }
    return found;
  }

  /** Logs once that an operator should turn daily snapshots of a large master on or off. */
  #ask(contract: Hex): void {
    if (this.#asked.has(contract)) return;
    this.#asked.add(contract);
    const advice = `indexer contracts snapshots ${contract} --daily on|off --chain ${this.#deps.chainId}`;
    this.#deps.log.warn(
      { chain: this.#deps.chainId, contract, advice },
      `no daily snapshots: the contract has more than ${DAILY_TOKENS_MAX} tokens`,
    );
  }
}

/** Returns the masters for which a midnight has passed since their last daily snapshot, or since their registration if there is none. */
async function dueMasters(db: Kysely<DB>, chainId: number): Promise<readonly DueMaster[]> {
  const { rows } = await sql<{ address: Hex; done_to: string; deployed_at: string | null; asks: boolean }>`
    select contract.address, extract(epoch from coalesce(held.daily_to, contract.created_at))::bigint as done_to,
      contract.deployed_at_block as deployed_at, held.daily is null and master.current_supply > ${DAILY_TOKENS_MAX} as asks
    from indexer.contracts contract
    join master_contracts master on master.id = contract.platform_id
    left join indexer.snapshot_settings held on held.chain_id = contract.chain_id and held.contract_address = contract.address
    where contract.chain_id = ${chainId} and contract.kind = 'master' and contract.status = 'active' and held.daily is not false
      and date_trunc('day', coalesce(held.daily_to, contract.created_at), 'UTC') + interval '1 day' <= now()
    order by contract.address
  `.execute(db);
  return rows.map(({ address, done_to, deployed_at, asks }) => ({
    ...{ address, doneTo: Number(done_to), deployedAt: Number(deployed_at ?? 0), asks },
  }));
}

/** Returns the last checkpoint before a time and the first one at or after it, by their block numbers. */
async function checkpointsAround(
  db: Kysely<DB>,
  chainId: number,
  time: number,
): Promise<{ readonly before: number | undefined; readonly after: number | undefined }> {
  const { rows } = await sql<{ before: string | null; after: string | null }>`
    select max(number) filter (where timestamp < to_timestamp(${time})) as before,
      min(number) filter (where timestamp >= to_timestamp(${time})) as after
    from indexer.block_checkpoints where chain_id = ${chainId}
  `.execute(db);
  const [row] = rows;
  const number = (text: string | null | undefined) => (text == null ? undefined : Number(text));
  return { before: number(row?.before), after: number(row?.after) };
}
