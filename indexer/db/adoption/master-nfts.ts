import { type RawBuilder, sql } from 'kysely';
import { type Adoption, type AdoptionInput, type AdoptionStep, definitionOf } from './adoption-step.ts';
import type { ExistingSchema } from './existing-tables.ts';
import { ADOPTABLE_TABLES } from './generated/tables.ts';

const TABLE = 'master_nfts';
const CHECK = 'master_nfts_contract_known';
const BATCH_ROWS = 5_000;
const FILLER = sql`public.fill_master_nft_links`;

/** Returns SQL for the contract address in a row as `master_contracts` stores it: in lower case on EVM chains, whose ids are numbers. */
function addressOf(row: string): RawBuilder<unknown> {
  const [chain, address] = [sql.ref(`${row}.chain_id`), sql.ref(`${row}.contract_address`)];
  return sql`case when ${chain} ~ '^[1-9][0-9]{0,17}$' then lower(${address}) else ${address} end`;
}

/**
 * Returns the steps that link the platform's NFTs to their contracts, because its backend stores NFTs without a link. The steps add a row
 * of `master_contracts` for each contract, link each NFT to that row, and create a trigger for new NFTs. The trigger sets the IPO, which
 * the backend requires and the mirror (this program) does not know, and the contract, which the mirror requires.
 */
export async function adoptTokens<DB>({ db, existing }: AdoptionInput<DB>): Promise<Adoption> {
  const tokens = existing.tables.get(TABLE);
  if (tokens === undefined) return { steps: [], refusals: [] };
  const column = tokens.columns.find(({ name }) => name === 'master_contract_id');
  const ipo = tokens.columns.find(({ name }) => name === 'master_ipo_id');
  if (column?.required === true) return { steps: ipo?.required === true ? fillerSteps(ipo) : [], refusals: [] };
  const unlinked = sql<{ found: boolean }>`
    select exists (select from public.master_nfts where ${column === undefined ? sql`true` : sql`master_contract_id is null`}) as found`;
  const hasUnlinked = (await unlinked.execute(db)).rows[0]?.found === true;
  return {
    steps: [
      ...preparation(existing, column !== undefined),
      // From here on, the backend can insert tokens although it does not know the column `master_contract_id`.
      ...fillerSteps(ipo),
      ...(hasUnlinked ? LINKS : []),
      ...requirement(tokens.checks.includes(CHECK)),
    ],
    refusals: hasUnlinked ? await ambiguousContracts({ db, existing }) : [],
  };
}

/** Returns violations of two rules, at most ten: a master has one contract on each chain, and a contract has one master. */
async function ambiguousContracts<DB>({ db, existing }: AdoptionInput<DB>): Promise<string[]> {
  const known = existing.tables.has('master_contracts')
    ? sql`union select master_id, chain_id, ${addressOf('known')} from public.master_contracts known`
    : sql``;
  const { rows } = await sql<{ sentence: string }>`
    with contract as (select distinct master_id, chain_id, ${addressOf('nft')} as address from public.master_nfts nft ${known})
    select format('tokens of the contract %s on chain %s belong to several masters', address, chain_id) as sentence
    from contract group by chain_id, address having count(*) > 1
    union all
    select format('master %s has tokens of several contracts on chain %s', master_id, chain_id)
    from contract group by chain_id, master_id having count(*) > 1
    order by 1 limit 10
  `.execute(db);
  return rows.map(({ sentence }) => `the table master_nfts: ${sentence}; correct or delete these rows`);
}

function preparation({ tables }: ExistingSchema, hasColumn: boolean): AdoptionStep[] {
  const change = { lock: 'ACCESS EXCLUSIVE', rows: 'none', mode: 'transaction' } as const;
  const add = sql`alter table public.master_nfts add column if not exists master_contract_id uuid`;
  return [
    ...(tables.has('master_contracts')
      ? []
      : [{ ...change, table: 'master_contracts', does: 'creates the table', statements: createContracts() }]),
    ...(hasColumn ? [] : [{ ...change, table: TABLE, does: 'adds the column master_contract_id', statements: [add] }]),
  ];
}

const LINKS: readonly AdoptionStep[] = [
  {
    ...{ table: 'master_contracts', does: 'announces the contracts of the tokens' },
    ...{ lock: 'ROW EXCLUSIVE', rows: 'none', mode: 'transaction' },
    statements: [
      sql`
        insert into public.master_contracts (master_id, chain_id, contract_address)
        select distinct master_id, chain_id, address
        from (select master_id, chain_id, ${addressOf('nft')} as address from public.master_nfts nft
              where master_contract_id is null) nft
        where not exists (
          select from public.master_contracts known
          where known.chain_id = nft.chain_id and ${addressOf('known')} = nft.address)
        on conflict do nothing`,
    ],
  },
  {
    ...{ table: TABLE, does: 'links the tokens to their contracts' },
    ...{ lock: 'ROW EXCLUSIVE', rows: 'batches', mode: 'repeated' },
    statements: [
      sql`
        update public.master_nfts held set master_contract_id = contract.id
        from (select id, chain_id, ${addressOf('nft')} as address from public.master_nfts nft
              where master_contract_id is null limit ${sql.lit(BATCH_ROWS)}) nft
        join public.master_contracts contract
          on contract.chain_id = nft.chain_id and ${addressOf('contract')} = nft.address
        where held.id = nft.id`,
    ],
  },
  {
    // The migrations search for addresses to lower-case. Without statistics, PostgreSQL would choose a slow plan for this.
    ...{ table: TABLE, does: 'collects statistics' },
    ...{ lock: 'SHARE UPDATE EXCLUSIVE', rows: 'scan', mode: 'alone' },
    statements: [sql`analyze public.master_nfts`],
  },
];

function requirement(isChecked: boolean): AdoptionStep[] {
  const check = sql.ref(CHECK);
  const table = sql`alter table public.master_nfts`;
  const add: AdoptionStep = {
    ...{ table: TABLE, does: 'requires a contract of new tokens' },
    ...{ lock: 'ACCESS EXCLUSIVE', rows: 'none', mode: 'transaction' },
    statements: [sql`${table} add constraint ${check} check (master_contract_id is not null) not valid`],
  };
  const validate: AdoptionStep = {
    ...{ table: TABLE, does: 'checks that all tokens have a contract' },
    ...{ lock: 'SHARE UPDATE EXCLUSIVE', rows: 'scan', mode: 'alone' },
    statements: [sql`${table} validate constraint ${check}`],
  };
  // `set not null` does not read the rows again if a valid check constraint proves that no value is null.
  const require: AdoptionStep = {
    ...{ table: TABLE, does: 'requires a contract of all tokens' },
    ...{ lock: 'ACCESS EXCLUSIVE', rows: 'none', mode: 'transaction' },
    statements: [sql`${table} alter column master_contract_id set not null`, sql`${table} drop constraint ${check}`],
  };
  return [...(isChecked ? [] : [add]), validate, require];
}

/**
 * Returns the statements that create `master_contracts` with its unique indexes, as the migrations expect it. Later steps add its other
 * indexes and its foreign keys, as for any adopted table. It stays when the migrations are reverted, because tokens reference its rows.
 */
function createContracts(): RawBuilder<unknown>[] {
  const { columns = [], indexes = [] } = ADOPTABLE_TABLES.find(({ name }) => name === 'master_contracts') ?? {};
  const definitions = columns.map(definitionOf);
  const unique = indexes.filter(({ definition }) => definition.startsWith('CREATE UNIQUE'));
  return [
    sql`create table if not exists public.master_contracts (
      ${sql.join(definitions)}, constraint master_contracts_pkey primary key (id))`,
    ...unique.map(({ definition }) => sql.raw(definition.replace('INDEX', 'INDEX IF NOT EXISTS'))),
  ];
}

/**
 * Returns the step that creates a trigger for inserted NFTs. The backend requires an NFT's IPO, which the mirror (this program) does not
 * know. The mirror requires an NFT's contract, which the backend does not know. The trigger sets both. For the first NFT of a contract, it
 * also inserts the contract into `master_contracts`, so that the contract is followed. The trigger runs with its owner's rights, because
 * the backend's user may have none on that table. It first searches for the address by the unique index. If it finds none there, it reads
 * all contracts, because an address may be stored with upper-case letters.
 */
function fillerSteps(ipo: { readonly required: boolean } | undefined): AdoptionStep[] {
  const findIpo = sql`
      if new.master_ipo_id is null then
        new.master_ipo_id := (select ipo.id from public.master_ipos ipo where ipo.master_id = new.master_id limit 1);
      end if;`;
  const findContract = sql`
        new.master_contract_id := coalesce(
          (select contract.id from public.master_contracts contract
           where contract.chain_id = new.chain_id and contract.contract_address = token_contract limit 1),
          (select contract.id from public.master_contracts contract
           where contract.chain_id = new.chain_id and ${addressOf('contract')} = token_contract limit 1));`;
  const create = sql`
    create or replace function ${FILLER}() returns trigger language plpgsql
    security definer set search_path = pg_catalog, pg_temp as $body$
    declare
      token_contract text := ${addressOf('new')};
    begin${ipo === undefined ? sql`` : findIpo}
      if new.master_contract_id is null then${findContract}
      end if;
      if new.master_contract_id is null then
        insert into public.master_contracts (master_id, chain_id, contract_address) values (new.master_id, new.chain_id, token_contract)
        on conflict do nothing;${findContract}
      end if;
      if new.master_contract_id is null then
        raise unique_violation using
          message = format('master %s has another contract than %s on chain %s', new.master_id, token_contract, new.chain_id);
      end if;
      return new;
    end $body$`;
  const statements = [
    create,
    // Otherwise any user could insert contracts by using the function as a trigger on a table of their own.
    sql`revoke all on function ${FILLER}() from public`,
    sql`
      create or replace trigger fill_links before insert on public.master_nfts
      for each row execute function ${FILLER}()`,
    ...(ipo?.required === true ? [sql`alter table public.master_nfts alter column master_ipo_id drop not null`] : []),
  ];
  const optional = ipo?.required === true ? ', and makes master_ipo_id optional' : '';
  const does = `links new tokens to their contract${ipo === undefined ? '' : ' and to the IPO of their master'}${optional}`;
  return [{ table: TABLE, does, lock: 'ACCESS EXCLUSIVE', rows: 'none', statements, mode: 'transaction' }];
}
