import { type Kysely, type RawBuilder, sql } from 'kysely';

type Db = Kysely<unknown>;

/** Expressions over `held` (a row of the table) and `final` (a row of `as_of`) that replace columns of the same names. */
type Corrections = Readonly<Record<string, RawBuilder<unknown>>>;

/** The parts of a view: where its rows come from, and what replaces their columns. */
type Part = { readonly from: RawBuilder<unknown>; readonly corrections?: Corrections };

const ZERO = sql.lit('0x0000000000000000000000000000000000000000');
const LEVELS = { mirror_safe: sql`greatest(safe_number, finalized_number)`, mirror_finalized: sql`finalized_number` };

/** The facts of a chain above the block. Each table of facts has a unique index that begins with chain and block. */
const isAbove = sql`fact.chain_id = final.chain_id and fact.block_number > final.block_number`;

/** What each wallet received less what it sent above the block, of the movements in `from`. */
const moved = (movements: RawBuilder<unknown>) => sql`(
  select owner, wallet, sum(amount) as delta from (
    select owner, receiver as wallet, value as amount from (${movements}) movement
    union all
    select owner, sender, -value from (${movements}) movement
  ) signed where wallet <> ${ZERO} group by owner, wallet) moved`;

const tokenMovements = (asOf: RawBuilder<unknown>) => sql`
  select fact.artist_token_id as owner, fact.from_wallet as sender, fact.to_wallet as receiver, fact.value,
    true as burns
  from ${asOf} final join public.token_transfers fact on ${isAbove}`;

const poolMovements = (asOf: RawBuilder<unknown>) => sql`
  select contract.platform_id as owner, fact.arguments ->> 'from' as sender, fact.arguments ->> 'to' as receiver,
    (fact.arguments ->> 'value')::numeric as value, fact.arguments ->> 'from' = fact.address as burns
  from ${asOf} final
  join indexer.contract_events fact on fact.chain_id = final.chain_id::bigint and fact.block_number > final.block_number
    and fact.kind = 'pool' and fact.event = 'Transfer'
  join indexer.contracts contract
    on contract.chain_id = fact.chain_id and contract.address = fact.address and contract.kind = fact.kind`;

/** Net mints of each owner in some movements. Only a pair itself burns its tokens. A transfer from zero to zero is a mint if it counts as one. */
const minted = (movements: RawBuilder<unknown>, zeroToZero: number) => sql`(
  select owner, sum(case when sender <> ${ZERO} then -value when receiver <> ${ZERO} then value
    else ${sql.lit(zeroToZero)} * value end) as amount
  from (${movements}) movement where sender = ${ZERO} or (receiver = ${ZERO} and burns) group by owner) minted on minted.owner = held.id`;

/** The argument of the newest event of a contract at or below the block. */
const latest = (kind: string, address: string, event: string, argument: string) => sql`(
  select fact.arguments ->> ${sql.lit(argument)} from indexer.contract_events fact
  where fact.chain_id = held.chain_id::bigint and fact.kind = ${sql.lit(kind)} and fact.address = held.${sql.ref(address)}
    and fact.event = ${sql.lit(event)} and fact.position < final.below
  order by fact.position desc limit 1)::numeric`;

/** The column `column` of a master's mint number `place` at or below the block. */
const mint = (column: string, place: number) => sql`(
  select fact.${sql.ref(column)} from public.nft_transfers fact
  where fact.chain_id = held.chain_id and fact.contract_address = held.contract_address and fact.transfer_type = 'mint'
    and fact.position < final.below and fact.block_hash is not null
  order by fact.position, fact.token_id offset ${sql.lit(place - 1)} limit 1)`;

/** The distinct tokens whose first mint is above the block, by contract. */
const firstMinted = (asOf: RawBuilder<unknown>) => sql`(
  select token.master_contract_id, token.master_id, count(distinct token.id) as tokens
  from ${asOf} final join public.nft_transfers fact on ${isAbove}
  join public.master_nfts token on token.id = fact.master_nft_id and token.first_mint_position >= final.below
  where fact.transfer_type = 'mint' and fact.block_hash is not null
  group by token.master_contract_id, token.master_id)`;

const kept = (position: string, column: string) =>
  sql`case when held.${sql.ref(position)} < final.below then held.${sql.ref(column)} end`;

const keptAll = (position: string, ...columns: string[]): Corrections =>
  Object.fromEntries([position, ...columns].map((column) => [column, kept(position, column)]));

const ofChain = (table: string, asOf: RawBuilder<unknown>) =>
  sql`${sql.table(table)} held join ${asOf} final on final.chain_id = held.chain_id`;

/** Tokens that nothing above the block touches, and those that something does. */
function tokens(asOf: RawBuilder<unknown>): Part[] {
  const flag = (column: string, place: number) =>
    sql`held.${sql.ref(column)} and coalesce(${mint('position', place)} < final.below, false)`;
  const paid = (what: RawBuilder<unknown>) => sql`(
    select ${what} from public.dividend_claims claim
    where claim.master_nft_id = held.id and claim.position < final.below and claim.block_hash is not null)`;
  return [
    {
      from: sql`${ofChain('public.master_nfts', asOf)}
        where (held.last_position is null or held.last_position < final.below)
          and (held.dividends_block is null or held.dividends_block <= final.block_number)`,
    },
    {
      from: sql`${asOf} final
        cross join lateral (
          select fact.master_nft_id as id from public.nft_transfers fact where ${isAbove} and fact.block_hash is not null
          union
          select id from public.master_nfts where chain_id = final.chain_id and dividends_block > final.block_number
        ) touched
        join public.master_nfts held on held.id = touched.id
        left join lateral (
          select fact.to_wallet, fact.position from public.nft_transfers fact
          where fact.master_nft_id = held.id and fact.position < final.below and fact.block_hash is not null
          order by fact.position desc limit 1
        ) previous on true
        where previous.position is not null
          -- A token without facts has a row only if the platform wrote it.
          or held.id <> indexer.derived_id('master_nfts:' || held.chain_id || ':' || held.contract_address || ':' || held.token_id)
          or held.listing_status <> 'not_listed' or held.listing_price_wei is not null or held.listing_currency is not null
          or held.listed_at is not null or held.token_uri is not null`,
      corrections: {
        current_owner_wallet: sql`coalesce(previous.to_wallet, ${ZERO})`,
        last_position: sql`previous.position`,
        original_minter_wallet: sql`coalesce(${kept('first_mint_position', 'original_minter_wallet')}, ${ZERO})`,
        ...keptAll('first_mint_position', 'mint_tx_hash', 'minted_at_block', 'minted_at', 'mint_price_wei'),
        mint_count: sql`(
          select count(*) from public.nft_transfers fact where fact.master_nft_id = held.id and fact.transfer_type = 'mint'
            and fact.position < final.below and fact.block_hash is not null)`,
        is_first_minter: flag('is_first_minter', 1),
        is_second_minter: flag('is_second_minter', 2),
        is_third_minter: flag('is_third_minter', 3),
        total_dividends_received: sql`coalesce(${paid(sql`sum(claim.amount_claimed) filter (where claim.currency = ${ZERO})`)}, 0)`,
        last_dividend_claimed_at: paid(sql`max(claim.block_timestamp)`),
        last_indexed_block: sql`least(held.last_indexed_block, final.block_number)`,
      },
    },
  ];
}

function masters(asOf: RawBuilder<unknown>): Part[] {
  const minter = (column: string, place: number) => ({
    [column]: sql`case when held.third_mint_position < final.below then held.${sql.ref(column)} else ${mint('to_wallet', place)} end`,
  });
  return [
    {
      from: sql`${ofChain('public.master_contracts', asOf)}
        left join (
          select fact.contract_address, fact.chain_id, sum(case when fact.to_wallet = ${ZERO} then -1 else 1 end) as supply
          from ${asOf} final join public.nft_transfers fact on ${isAbove}
          where fact.transfer_type in ('mint', 'burn') and fact.block_hash is not null group by 1, 2
        ) change on change.chain_id = held.chain_id and change.contract_address = held.contract_address
        left join ${firstMinted(asOf)} fresh on fresh.master_contract_id = held.id`,
      corrections: {
        current_supply: sql`held.current_supply - coalesce(change.supply, 0)`,
        minted_supply: sql`held.minted_supply - coalesce(fresh.tokens, 0)`,
        default_royalty_bps: sql`case when held.royalty_position >= final.below
          then ${latest('master', 'contract_address', 'DefaultRoyaltySet', 'feeNumerator')} else held.default_royalty_bps end`,
        royalty_position: sql`case when held.royalty_position < final.below then held.royalty_position
          when held.royalty_position is not null then (
            select max(fact.position) from indexer.contract_events fact
            where fact.chain_id = held.chain_id::bigint and fact.kind = 'master' and fact.address = held.contract_address
              and fact.event = 'DefaultRoyaltySet' and fact.position < final.below) end`,
        ...minter('first_minter_wallet', 1),
        ...minter('second_minter_wallet', 2),
        ...minter('third_minter_wallet', 3),
        third_mint_position: sql`case when held.third_mint_position < final.below then held.third_mint_position end`,
      },
    },
  ];
}

/** Balances, less what movements above the block changed. A row that began above it is left out, and so is an entry that was. */
function balances(
  asOf: RawBuilder<unknown>,
  table: string,
  { owner, balance, entry }: { owner: string; balance: string; entry: readonly string[] },
  movements: RawBuilder<unknown>,
): Part[] {
  const [entered = ''] = entry;
  const entries = entry.map((column) => [
    column,
    sql`case when moved.owner is null or held.${sql.ref(entered)} < final.below then held.${sql.ref(column)} end`,
  ]);
  return [
    {
      from: sql`${ofChain(table, asOf)}
        left join ${moved(movements)} on moved.owner = held.${sql.ref(owner)} and moved.wallet = held.wallet_address
        where moved.owner is null or held.first_position < final.below`,
      corrections: {
        [balance]: sql`held.${sql.ref(balance)} - coalesce(moved.delta, 0)`,
        ...Object.fromEntries(entries),
      },
    },
  ];
}

function artistTokens(asOf: RawBuilder<unknown>): Part[] {
  const movements = tokenMovements(asOf);
  return [
    {
      from: sql`${ofChain('public.artist_tokens', asOf)}
        left join ${minted(movements, 0)}
        left join (
          select moved.owner, sum((holder.balance > 0)::int - (holder.balance - moved.delta > 0)::int) as wallets
          from ${moved(movements)} join public.token_holders holder
            on holder.artist_token_id = moved.owner and holder.wallet_address = moved.wallet
          group by moved.owner
        ) holders on holders.owner = held.id`,
      corrections: {
        total_supply: sql`held.total_supply - coalesce(minted.amount, 0)`,
        holders_count: sql`held.holders_count - coalesce(holders.wallets, 0)`,
      },
    },
  ];
}

function pools(asOf: RawBuilder<unknown>): Part[] {
  const reserve = (column: string) =>
    sql`case when held.reserve_position >= final.below then coalesce(${latest('pool', 'pool_address', 'Sync', column)}, 0)
      else held.${sql.ref(column)} end`;
  return [
    {
      from: sql`${ofChain('public.liquidity_pools', asOf)} left join ${minted(poolMovements(asOf), 1)}`,
      corrections: {
        reserve0: reserve('reserve0'),
        reserve1: reserve('reserve1'),
        reserve_position: sql`case when held.reserve_position < final.below then held.reserve_position
          when held.reserve_position is not null then (
            select max(fact.position) from indexer.contract_events fact
            where fact.chain_id = held.chain_id::bigint and fact.kind = 'pool' and fact.address = held.pool_address
              and fact.event = 'Sync' and fact.position < final.below) end`,
        lp_total_supply: sql`held.lp_total_supply - coalesce(minted.amount, 0)`,
      },
    },
  ];
}

function dividendContracts(asOf: RawBuilder<unknown>): Part[] {
  return [
    {
      from: sql`${ofChain('public.dividend_contracts', asOf)}
        left join (
          select fact.dividend_contract_id,
            coalesce(sum(fact.total_amount) filter (where fact.event_type = 'deposit'), 0) as deposited,
            coalesce(sum(fact.total_amount) filter (where fact.event_type = 'distribution'), 0) as distributed
          from ${asOf} final join public.dividend_events fact on ${isAbove}
          where fact.currency = ${ZERO} and fact.block_hash is not null group by 1
        ) change on change.dividend_contract_id = held.id`,
      corrections: {
        total_revenue_deposited: sql`held.total_revenue_deposited - coalesce(change.deposited, 0)`,
        total_dividends_distributed: sql`held.total_dividends_distributed - coalesce(change.distributed, 0)`,
      },
    },
  ];
}

const ipos = (asOf: RawBuilder<unknown>): Part[] => [
  {
    from: sql`public.master_ipos held
      left join (
        select master_id, sum(tokens) as tokens from ${firstMinted(asOf)} fresh group by master_id
      ) fresh on fresh.master_id = held.master_id`,
    corrections: { minted_supply: sql`held.minted_supply - coalesce(fresh.tokens, 0)` },
  },
];

/**
 * The balances of dividends that changed above a block, as they were at its end, from the facts and sums at or below it. It computes what
 * the stage `dividends` adds up, from the beginning (docs/dividends.md). `claimed_at` is the position of the latest claim.
 */
const BALANCES = sql`
  create function indexer.dividend_balances_as_of(chain text, block bigint) returns table (dividend_contract_id uuid,
    wallet_address varchar, currency varchar, total_earned numeric, total_claimed numeric, claimable_amount numeric, tokens_held bigint,
    claimed_at bigint)
    stable language sql set search_path = public as $$
    with edge as materialized (select chain as of_chain, (block + 1) * 4294967296 as below),
    key as materialized (
      select balance.dividend_contract_id, balance.wallet_address, balance.currency from wallet_dividend_balances balance
      where balance.chain_id = chain and balance.changed_block > block
    ),
    serves as materialized (
      select link.dividend_contract_id, master.contract_address
      from indexer.dividend_masters link
      join dividend_contracts dividend on dividend.id = link.dividend_contract_id
      join master_contracts master on master.id = link.master_contract_id and master.chain_id = dividend.chain_id
      where dividend.chain_id = chain and link.serves
    ),
    moved as materialized (
      select distinct key.dividend_contract_id, fact.master_nft_id as token
      from (select distinct dividend_contract_id, wallet_address from key) key join serves using (dividend_contract_id)
      join nft_transfers fact on fact.to_wallet = key.wallet_address and fact.contract_address = serves.contract_address
      join edge on fact.chain_id = of_chain and fact.position < below
      where fact.block_hash is not null
    ),
    claim as materialized (
      select claim.dividend_contract_id, claim.wallet_address, claim.currency, claim.master_nft_id, claim.amount_claimed, claim.position
      from dividend_claims claim join key using (dividend_contract_id, wallet_address, currency)
      join edge on claim.chain_id = of_chain and claim.position < below where claim.block_hash is not null
      union
      select claim.dividend_contract_id, claim.wallet_address, claim.currency, claim.master_nft_id, claim.amount_claimed, claim.position
      from dividend_claims claim join moved on claim.dividend_contract_id = moved.dividend_contract_id and claim.master_nft_id = moved.token
      join edge on claim.chain_id = of_chain and claim.position < below where claim.block_hash is not null
    ),
    rule as materialized (
      select platform_id as dividend_contract_id, coalesce(upgrades -> -1 ->> 'abiVersion', abi_version) = '3.0' as by_snapshot
      from indexer.contracts where chain_id = chain::bigint and kind = 'dividend'
    ),
    total as materialized (
      select sums.dividend_contract_id, sums.currency, max(total) as at_end
      from indexer.distribution_sums sums join edge on position < below
      where sums.dividend_contract_id in (select dividend_contract_id from moved) group by 1, 2
    ),
    life as materialized (
      select moved.dividend_contract_id, token, position, to_wallet as owner,
        coalesce(lag(to_wallet) over (partition by moved.dividend_contract_id, token order by position), ${ZERO}) as former
      from moved join nft_transfers fact on fact.master_nft_id = token join edge on position < below where block_hash is not null
    ),
    token_claim as materialized (
      select moved.dividend_contract_id, token, currency, position, amount_claimed as amount
      from moved join dividend_claims paid on paid.master_nft_id = token and paid.dividend_contract_id = moved.dividend_contract_id
      join edge on position < below where block_hash is not null
    ),
    account as (
      select dividend_contract_id, token, currency from (select distinct dividend_contract_id, token from life) token
      join total using (dividend_contract_id)
      union
      select dividend_contract_id, token, currency from token_claim
    ),
    -- The debt of a token: what it had not earned at its mints, less that at its burns, plus its claims.
    entry as (
      select dividend_contract_id, token, currency, life.position, former, owner, coalesce(before.total, 0) as s,
        case when former = ${ZERO} and owner <> ${ZERO} then coalesce(before.total, 0)
          when former <> ${ZERO} and owner = ${ZERO} then -coalesce(before.total, 0) else 0 end as debt
      from life join account using (dividend_contract_id, token)
      left join lateral (
        select total from indexer.distribution_sums earlier
        where earlier.dividend_contract_id = life.dividend_contract_id and earlier.currency = account.currency
          and earlier.position < life.position
        order by earlier.position desc limit 1
      ) before on true
      union all
      select dividend_contract_id, token, currency, position, null, null, 0, amount from token_claim
    ),
    move as (
      select step.*, coalesce(total.at_end, 0) as s_end
      from (
        select dividend_contract_id, token, currency, position, former, owner, s, debt,
          sum(debt) over (partition by dividend_contract_id, token, currency order by position) as debt_after
        from entry
      ) step left join total using (dividend_contract_id, currency)
      where former <> owner
    ),
    contribution (dividend_contract_id, wallet_address, currency, held, unclaimed, claimed, is_row, claimed_at) as (
      select dividend_contract_id, owner, currency, s_end - s, s_end - debt_after, 0::numeric, s <> debt_after, null::bigint
      from move where owner <> ${ZERO}
      union all
      select dividend_contract_id, former, currency, s - s_end, debt_after - debt - s_end, 0, false, null
      from move where former <> ${ZERO}
      union all
      select dividend_contract_id, wallet_address, currency, 0, 0, amount_claimed, true, position
      from claim where wallet_address <> ${ZERO}
      union all
      select dividend_contract_id, owner, currency, 0, -amount_claimed, 0, amount_claimed <> 0, null
      from claim cross join lateral (
        select to_wallet as owner from nft_transfers
        where master_nft_id = claim.master_nft_id and position < claim.position and block_hash is not null
        order by position desc limit 1
      ) before where owner <> ${ZERO}
    ),
    summed as (
      select dividend_contract_id, wallet_address, currency, sum(held) as held, sum(unclaimed) as unclaimed, sum(claimed) as claimed,
        bool_or(is_row) as is_row, max(claimed_at) as claimed_at
      from contribution group by dividend_contract_id, wallet_address, currency
    ),
    owned as (
      select dividend_contract_id, owner as wallet_address, count(*) as tokens from (
        select distinct on (dividend_contract_id, token) dividend_contract_id, owner from life
        order by dividend_contract_id, token, position desc
      ) last group by dividend_contract_id, owner
    )
    select dividend_contract_id, wallet_address, currency, amounts.earned, claimed, amounts.earned - claimed, coalesce(owned.tokens, 0),
      claimed_at
    from summed join rule using (dividend_contract_id) join key using (dividend_contract_id, wallet_address, currency)
    left join owned using (dividend_contract_id, wallet_address)
    cross join lateral (select case when by_snapshot then held else unclaimed + claimed end as earned) amounts
    where held > 0 or claimed_at is not null or (is_row and not by_snapshot)
  $$`;

/** What each wallet earned and claimed. Rows that changed above the block are computed from facts. */
const dividendBalances = (asOf: RawBuilder<unknown>): Part[] => [
  {
    from: sql`${ofChain('public.wallet_dividend_balances', asOf)} where held.changed_block <= final.block_number`,
  },
  {
    from: sql`${asOf} final
      cross join lateral indexer.dividend_balances_as_of(final.chain_id, final.block_number) former
      join public.wallet_dividend_balances held using (dividend_contract_id, wallet_address, currency)
      left join lateral (
        select block_timestamp, tx_hash from public.dividend_claims claim
        where claim.chain_id = final.chain_id and claim.block_number = (former.claimed_at >> 32)::numeric
          and claim.log_index = (former.claimed_at & 4294967295) and claim.block_hash is not null
      ) last on true`,
    corrections: {
      total_earned: sql`former.total_earned`,
      total_claimed: sql`former.total_claimed`,
      claimable_amount: sql`former.claimable_amount`,
      tokens_held: sql`former.tokens_held`,
      last_claimed_at: sql`last.block_timestamp`,
      last_claim_tx_hash: sql`last.tx_hash`,
      changed_block: sql`final.block_number`,
    },
  },
];

/** Facts at or below the block. Facts without a block hash are not verified. */
const facts =
  (table: string) =>
  (asOf: RawBuilder<unknown>): Part[] => [
    {
      from: sql`${ofChain(table, asOf)} where held.block_number <= final.block_number and held.block_hash is not null`,
    },
  ];

/** The views, by the table whose name and columns they have. */
const VIEWS: Readonly<Record<string, (asOf: RawBuilder<unknown>) => Part[]>> = {
  nft_transfers: facts('public.nft_transfers'),
  token_transfers: facts('public.token_transfers'),
  dividend_events: facts('public.dividend_events'),
  dividend_claims: facts('public.dividend_claims'),
  pool_events: facts('public.pool_events'),
  master_nfts: tokens,
  master_contracts: masters,
  master_ipos: ipos,
  token_holders: (asOf) => {
    const entry = ['first_acquired_position', 'first_acquired_at', 'first_acquired_tx_hash'];
    const columns = { owner: 'artist_token_id', balance: 'balance', entry };
    return balances(asOf, 'public.token_holders', columns, tokenMovements(asOf));
  },
  artist_tokens: artistTokens,
  pool_positions: (asOf) => {
    const entry = ['entry_position', 'entered_at', 'entry_tx_hash'];
    const columns = { owner: 'liquidity_pool_id', balance: 'lp_token_balance', entry };
    return balances(asOf, 'public.pool_positions', columns, poolMovements(asOf));
  },
  liquidity_pools: pools,
  dividend_contracts: dividendContracts,
  wallet_dividend_balances: dividendBalances,
  nft_ownership_snapshots: (asOf) => [
    {
      from: sql`${ofChain('public.nft_ownership_snapshots', asOf)} where held.snapshot_block_number <= final.block_number`,
    },
  ],
};

async function createView(db: Db, schema: string, name: string, parts: readonly Part[]): Promise<void> {
  const { rows: columns } = await sql<{ column_name: string }>`
    select column_name from information_schema.columns
    where table_schema = 'public' and table_name = ${name} order by ordinal_position
  `.execute(db);
  const queries = parts.map(({ from, corrections = {} }) => {
    const list = columns.map(({ column_name: column }) => {
      const corrected = Object.hasOwn(corrections, column) ? corrections[column] : undefined;
      return corrected === undefined ? sql`held.${sql.ref(column)}` : sql`${corrected} as ${sql.ref(column)}`;
    });
    return sql`select ${sql.join(list)} from ${from}`;
  });
  await sql`create view ${sql.table(`${schema}.${name}`)} as ${sql.join(queries, sql` union all `)}`.execute(db);
}

export async function up(db: Db): Promise<void> {
  await sql`alter table indexer.chains add column safe_number bigint`.execute(db);
  await BALANCES.execute(db);
  for (const [schema, block] of Object.entries(LEVELS)) {
    const asOf = sql.table(`${schema}.as_of`);
    await sql`create schema ${sql.id(schema)}`.execute(db);
    await sql`
      create view ${asOf} as
      select chain_id::text as chain_id, ${block} as block_number, (${block} + 1) * 4294967296 as below
      from indexer.chains where ${block} is not null
    `.execute(db);
    for (const [name, parts] of Object.entries(VIEWS)) await createView(db, schema, name, parts(asOf));
  }
}

export async function down(db: Db): Promise<void> {
  for (const schema of Object.keys(LEVELS)) {
    for (const name of [...Object.keys(VIEWS).toReversed(), 'as_of']) {
      await sql`drop view ${sql.table(`${schema}.${name}`)}`.execute(db);
    }
    await sql`drop schema ${sql.id(schema)}`.execute(db);
  }
  await sql`drop function indexer.dividend_balances_as_of`.execute(db);
  await sql`alter table indexer.chains drop column safe_number`.execute(db);
}
