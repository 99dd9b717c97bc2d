import type { Queryable } from '../test/kit/queryable.ts';
import { SNAPSHOT_ABI_VERSION } from './epoch-dividends.ts';

/** Figures read from the database at one moment. Amounts are text in the smallest unit. */
export type Figures = {
  /** The newest block that the database holds, or null before the first. */
  readonly head: number | null;
  readonly finalized: number | null;
  readonly lagBlocks: number | null;
  readonly facts: number;
  /** The average over the last `RATE_WINDOW_SECONDS` seconds. */
  readonly eventsPerSecond: number;
  readonly eventsInLastSecond: number;
  readonly reorgs: number;
  readonly deepestReorg: number;
  readonly deadLetters: number;
  readonly tokens: number;
  readonly burnt: number;
  readonly owners: number;
  readonly holders: number;
  readonly topHolders: readonly { readonly wallet: string; readonly balance: string }[];
  readonly coin: string;
  readonly coinSupply: string;
  readonly pool: {
    readonly symbol0: string;
    readonly symbol1: string;
    readonly reserve0: string;
    readonly reserve1: string;
    readonly providers: number;
  };
  /** What each dividend contract did in the native coin. */
  readonly dividends: readonly {
    readonly rule: 'token' | 'snapshot';
    readonly deposited: string;
    readonly distributed: string;
    readonly claimed: string;
    /** The number of claims, in any currency. */
    readonly claims: number;
  }[];
};

/** The time over which the events per second are averaged. */
const RATE_WINDOW_SECONDS = 5;

/** $1 is the chain id. Only the demo's contracts are in the database, so contracts need no filter. */
const FIGURES = `
  with facts as (
    select created_at from nft_transfers union all select created_at from token_transfers
    union all select created_at from pool_events union all select created_at from dividend_events
    union all select created_at from indexer.contract_events
  ), counted as (
    select count(*) as facts, count(*) filter (where created_at > now() - interval '${RATE_WINDOW_SECONDS} seconds') as recent,
      count(*) filter (where created_at > now() - interval '1 second') as newest
    from facts
  ), nfts as (
    select count(*) filter (where not burnt) as tokens, count(*) filter (where burnt) as burnt,
      count(distinct owner) filter (where not burnt) as owners
    from (select current_owner_wallet as owner, current_owner_wallet = '0x' || repeat('0', 40) as burnt from master_nfts)
  ), reorged as (
    select count(*) as reorgs, coalesce(max(depth), 0) as deepest from indexer.reorgs where reason = 'reorg'
  ), dividends as (
    select coalesce(json_agg(json_build_object('rule', rule, 'claims', claims, 'claimed', claimed::text,
      'deposited', total_revenue_deposited::text, 'distributed', total_dividends_distributed::text) order by rule desc), '[]') as dividends
    from dividend_contracts dividend
    join (
      select platform_id, case coalesce(upgrades -> -1 ->> 'abiVersion', abi_version)
        when '${SNAPSHOT_ABI_VERSION}' then 'snapshot' else 'token' end as rule
      from indexer.contracts
    ) registered on platform_id = id,
    lateral (
      select count(*) as claims, coalesce(sum(amount_claimed) filter (where currency = '0x' || repeat('0', 40)), 0) as claimed
      from dividend_claims where dividend_contract_id = dividend.id
    ) paid
  ), top as (
    select coalesce(json_agg(json_build_object('wallet', wallet_address, 'balance', balance::text)), '[]') as holders
    from (select wallet_address, balance from token_holders where balance > 0 order by balance desc, wallet_address limit 3)
  )
  select chain.head_number, chain.finalized_number, counted.*, nfts.*, reorged.*, dividends.*,
    (select count(*) from indexer.dead_letters) as dead_letters,
    (select count(*) from pool_positions where lp_token_balance > 0) as providers,
    coalesce(token.holders_count, 0) as holders, token.symbol, token.total_supply::text as supply, top.holders as top_holders,
    coalesce(pool.token0_symbol, '') as symbol0, coalesce(pool.token1_symbol, '') as symbol1,
    coalesce(pool.reserve0, 0)::text as reserve0, coalesce(pool.reserve1, 0)::text as reserve1
  from indexer.chains chain, counted, nfts, reorged, dividends, top, artist_tokens token, liquidity_pools pool
  where chain.chain_id = $1`;

/** Reads the figures. `chainHead` is the head that the chain itself reports. */
export async function readFigures(db: Queryable, chainId: number, chainHead: number): Promise<Figures> {
  const row = (await db.query(FIGURES, [chainId])).rows[0] ?? {};
  const number = (column: string): number => Number(row[column] ?? 0);
  const text = (column: string): string => String(row[column] ?? '0');
  const head = row.head_number == null ? null : Number(row.head_number);
  return {
    head,
    finalized: row.finalized_number == null ? null : Number(row.finalized_number),
    lagBlocks: head === null ? null : Math.max(0, chainHead - head),
    facts: number('facts'),
    eventsPerSecond: number('recent') / RATE_WINDOW_SECONDS,
    eventsInLastSecond: number('newest'),
    reorgs: number('reorgs'),
    deepestReorg: number('deepest'),
    deadLetters: number('dead_letters'),
    ...{ tokens: number('tokens'), burnt: number('burnt'), owners: number('owners'), holders: number('holders') },
    topHolders: (row.top_holders ?? []) as Figures['topHolders'],
    coin: String(row.symbol ?? ''),
    coinSupply: text('supply'),
    pool: {
      ...{ symbol0: String(row.symbol0 ?? ''), symbol1: String(row.symbol1 ?? '') },
      ...{ reserve0: text('reserve0'), reserve1: text('reserve1'), providers: number('providers') },
    },
    dividends: (row.dividends ?? []) as Figures['dividends'],
  };
}
