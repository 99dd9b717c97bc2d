import assert from 'node:assert/strict';
import type pg from 'pg';
import type { Hex } from '../../indexer/kernel/chain.ts';
import type { Branch, History, SimBlock } from './history.ts';
import { type Fact, nftMoves, readBranch } from './naive-facts.ts';
import type { PlatformTokens, Row } from './naive-rows.ts';
import * as rowsOf from './naive-rows.ts';
import * as stateOf from './naive-state.ts';
import { readStored, type Stored, type Tables } from './stored.ts';
import { keyOf, type SimContract, type SimWorld } from './world.ts';

/** What the platform and the driver did besides the chain. */
export type PlatformState = {
  /** Contracts whose row the platform has inserted. */
  readonly announced: ReadonlySet<SimContract>;
  readonly tokens: PlatformTokens;
  /** Masters that have an IPO. */
  readonly ipos: ReadonlySet<string>;
};

export type CheckOptions = {
  /** Whether the stages have run since the last commit: all links from claims to tokens are there. */
  readonly links: boolean;
  /** Whether they have run since an IPO was opened. */
  readonly ipos: boolean;
};

/** Every block of a history by its hash, and the branch that it ends. */
export class BlockTree {
  readonly #branches = new Map<string, Branch>();
  readonly #blocks = new Map<Hex, { readonly chainId: number; readonly branch: Branch; readonly number: number }>();

  constructor(history: History) {
    for (const { chainId, branches } of history.chains) {
      for (const branch of branches) {
        for (const { header } of branch) this.#blocks.set(header.hash, { chainId, branch, number: header.number });
      }
    }
  }

  /** The blocks from 0 to the one of a hash. */
  branchTo(hash: Hex): Branch {
    const known = this.#branches.get(hash);
    if (known !== undefined) return known;
    const found = this.#blocks.get(hash);
    assert(found !== undefined, `the database's head ${hash} is no block of the history`);
    const branch = found.branch.slice(0, found.number + 1);
    this.#branches.set(hash, branch);
    return branch;
  }
}

/**
 * Compares everything that a database holds of a history, in one snapshot, with the fold of what it claims to hold: the logs of
 * its head's branch in the blocks that each contract's coverage names.
 */
export async function checkDatabase(
  pool: pg.Pool,
  world: SimWorld,
  tree: BlockTree,
  platform: PlatformState,
  options: CheckOptions,
): Promise<Stored> {
  const stored = await readStored(pool, world.chainIds);
  assertEqualTables(stored.tables, expectedTables(world, tree, platform, stored), options);
  for (const { chainId, covers, kind, address } of stored.contracts) {
    const head = stored.heads.get(chainId)?.headNumber ?? -1;
    assert(!covers(head + 1), `${kind} ${address} claims blocks above the head ${head}`);
  }
  return stored;
}

/** What the tables should hold, given the heads and the coverage that the database claims. */
export function expectedTables(world: SimWorld, tree: BlockTree, platform: PlatformState, stored: Stored): Tables {
  const covered = new Map(stored.contracts.map((contract) => [keyOf(contract), contract.covers]));
  const announced = world.contracts.filter((contract) => platform.announced.has(contract));
  const tables = new Map<string, Row[]>();
  const add = (name: string, rows: readonly Row[]) => {
    const table = tables.get(name) ?? [];
    table.push(...rows);
    tables.set(name, table);
  };
  for (const chainId of world.chainIds) {
    const head = stored.heads.get(chainId)?.headHash;
    const branch: readonly SimBlock[] = head == null ? [] : tree.branchTo(head as Hex);
    const contracts = announced.filter((contract) => contract.chainId === chainId);
    const { facts, misfits } = readBranch(
      branch,
      contracts,
      (contract, block) => covered.get(keyOf(contract))?.(block) ?? false,
    );
    addFacts(facts, platform, add);
    add('dead_letters', rowsOf.deadLetterRows(misfits));
    addState(contracts, facts, platform, add);
  }
  const minted = Map.groupBy(tables.get('master_contracts') ?? [], (row) => masterOf(announced, row));
  for (const id of platform.ipos) {
    const contracts = minted.get(id);
    if (contracts === undefined) continue;
    const supply = contracts.reduce((sum, row) => sum + BigInt(row.minted_supply ?? 0), 0n);
    add('master_ipos', [{ master_id: id, minted_supply: String(supply) }]);
  }
  return tables;
}

type Add = (name: string, rows: readonly Row[]) => void;

function addFacts(facts: readonly Fact[], platform: PlatformState, add: Add): void {
  add('nft_transfers', rowsOf.nftTransferRows(nftMoves(facts), platform.tokens));
  add('token_transfers', rowsOf.tokenTransferRows(facts));
  add('pool_events', rowsOf.poolEventRows(facts));
  add('dividend_events', rowsOf.dividendEventRows(facts));
  add('dividend_claims', rowsOf.dividendClaimRows(facts));
  add('contract_events', rowsOf.contractEventRows(facts));
}

function addState(contracts: readonly SimContract[], facts: readonly Fact[], platform: PlatformState, add: Add): void {
  const ofContract = Map.groupBy(facts, ({ contract }) => contract);
  const masters = new Map(
    contracts.filter(({ kind }) => kind === 'master').map((master) => [master, ofContract.get(master) ?? []]),
  );
  for (const contract of contracts) {
    const own = ofContract.get(contract) ?? [];
    switch (contract.kind) {
      case 'master':
        add('master_nfts', stateOf.masterNftRows(contract, own, platform.tokens));
        add('master_contracts', [stateOf.masterContractRow(contract, own)]);
        break;
      case 'artist_token':
        add('token_holders', stateOf.tokenHolderRows(contract, own));
        add('artist_tokens', [stateOf.artistTokenRow(contract, own)]);
        break;
      case 'pool':
        add('pool_positions', stateOf.poolPositionRows(contract, own));
        add('liquidity_pools', [stateOf.liquidityPoolRow(contract, own)]);
        break;
      case 'dividend': {
        add('dividend_contracts', [stateOf.dividendContractRow(contract, own)]);
        const chain_id = String(contract.chainId);
        const links = stateOf.claimedTokens(contract, own, masters, platform.tokens);
        add(
          'claim_links',
          [...links].map(([position, master_nft_id]) => ({ chain_id, position, master_nft_id })),
        );
      }
    }
  }
}

function masterOf(contracts: readonly SimContract[], row: Row): string | null {
  const contract = contracts.find(
    ({ kind, chainId, address }) =>
      kind === 'master' && String(chainId) === row.chain_id && address === row.contract_address,
  );
  return contract?.masterId ?? null;
}

/** Stages run behind: before they are settled a link may be missing, but none may be wrong, and an IPO may wait. */
function assertEqualTables(stored: Tables, expected: Tables, { links, ipos }: CheckOptions): void {
  const faults: string[] = [];
  for (const [name, rows] of stored) {
    if (name === 'master_ipos' && !ipos) continue;
    const want = textsOf(expected.get(name) ?? []);
    const have = textsOf(rows);
    const extra = difference(have, want);
    const missing = name === 'claim_links' && !links ? [] : difference(want, have);
    if (extra.length + missing.length === 0) continue;
    faults.push(`${name}: ${missing.length} rows missing, ${extra.length} too many`);
    faults.push(...missing.slice(0, ROWS_SHOWN).map((row) => `  - ${row}`));
    faults.push(...extra.slice(0, ROWS_SHOWN).map((row) => `  + ${row}`));
  }
  assert(faults.length === 0, `the database is not the fold of the chain\n${faults.join('\n')}`);
}

/** Rows that a failure shows of each table and side. */
const ROWS_SHOWN = 2;

function textsOf(rows: readonly Row[]): string[] {
  const text = (row: Row) => Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1));
  return rows
    .map((row) =>
      text(row)
        .map(([name, value]) => `${name}=${shortened(value)}`)
        .join(' '),
    )
    .sort();
}

/** Without the zeros that addresses and hashes of a history begin with. */
function shortened(value: string | null): string | null {
  return value?.replace(/^0x0{12,}/, '0x…') ?? null;
}

/** What `some` has more of than `others`; both sorted, repetitions count. */
function difference(some: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const text of others) left.set(text, (left.get(text) ?? 0) + 1);
  return some.filter((text) => {
    const count = left.get(text) ?? 0;
    left.set(text, count - 1);
    return count <= 0;
  });
}
