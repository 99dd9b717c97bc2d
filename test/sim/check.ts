import assert from 'node:assert/strict';
import type pg from 'pg';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { compareTables, type Difference, describeDifferences, mayBePending } from '../kit/oracle/compare.ts';
import { LogDecoder, numberOf } from '../kit/oracle/events.ts';
import type { Gas, PlatformTokens, Row, Tables } from '../kit/oracle/fact-rows.ts';
import type { OracleBlock } from '../kit/oracle/facts.ts';
import { Oracle, offeringRows } from '../kit/oracle/oracle.ts';
import { type Revenue, revenueLinkRows } from '../kit/oracle/revenue.ts';
import { readStored, type Stored } from '../kit/oracle/stored.ts';
import type { Branch, History, SimBlock } from './history.ts';
import { keyOf, type SimContract, type SimWorld } from './world.ts';

/** The platform's actions that are not on the chain. */
export type PlatformState = {
  /** Contracts whose row the platform has inserted. */
  readonly announced: ReadonlySet<SimContract>;
  readonly tokens: PlatformTokens;
  /** Masters that have an IPO. */
  readonly ipos: ReadonlySet<string>;
  /** The rows of revenue that name a deposit. */
  readonly revenues: readonly Revenue[];
  /** The masters that an operator linked to a dividend contract, or unlinked, by their address. */
  readonly links: ReadonlyMap<SimContract, ReadonlyMap<string, boolean>>;
};

/** Which parts of a check apply. */
export type CheckOptions = {
  /** Whether the stages have run since the last commit, so that all links from claims to tokens exist. */
  readonly links: boolean;
  /** Whether the stages have run since an IPO was opened. */
  readonly ipos: boolean;
  /** Called with the number of wrong rows instead of throwing an error, while the nodes lie and the facts are not proved yet. */
  readonly onWrongRows?: ((rows: number) => void) | undefined;
};

/** The blocks of a history by hash, with their branches, also in the form that the oracle reads. */
export class BlockTree {
  readonly decoder = new LogDecoder();
  readonly #branches = new Map<string, Branch>();
  readonly #blocks = new Map<Hex, { readonly branch: Branch; readonly number: number }>();
  readonly #oracleBlocks = new Map<Hex, OracleBlock>();
  readonly #gas = new Map<Hex, Gas>();

  constructor(history: History) {
    for (const branch of history.chains.flatMap(({ branches }) => branches)) {
      for (const block of branch) {
        const { number, hash, timestamp } = block.header;
        this.#blocks.set(hash, { branch, number });
        this.#oracleBlocks.set(hash, { number, timestamp, logs: block.logs.map(({ raw }) => raw) });
        for (const { transaction } of block.logs) this.#gas.set(transaction.hash, transaction);
      }
    }
  }

  /** Returns the blocks from 0 to the block with this hash. */
  branchTo(hash: Hex): Branch {
    const known = this.#branches.get(hash);
    if (known !== undefined) return known;
    const found = this.#blocks.get(hash);
    assert(found !== undefined, `the database's head ${hash} is not a block of the history`);
    const branch = found.branch.slice(0, found.number + 1);
    this.#branches.set(hash, branch);
    return branch;
  }

  /** Returns the same blocks in the form that the oracle reads. */
  oracleBlocksTo(hash: Hex): OracleBlock[] {
    return this.branchTo(hash).map(({ header }) => this.#oracleBlocks.get(header.hash) as OracleBlock);
  }

  /** Returns the gas of a transaction, which is the same on every branch. */
  gasOf(transactionHash: Hex): Gas | undefined {
    return this.#gas.get(transactionHash);
  }
}

/**
 * Compares all tables of a database, in one snapshot, with the rows that the chain implies: the fold of the logs on the branch of the
 * database's head, in the blocks that each contract covers according to the database.
 */
export async function checkDatabase(
  pool: pg.Pool,
  world: SimWorld,
  tree: BlockTree,
  platform: PlatformState,
  options: CheckOptions,
): Promise<Stored> {
  const stored = await readStored(pool, world.chainIds);
  if (coversTooManyTokens(world, tree, stored)) {
    assert(options.onWrongRows !== undefined, 'a master covers a batch that should have quarantined it');
    // The oracle would compute a million tokens for this master, while the transactions of other histories wait.
    options.onWrongRows(1);
    return stored;
  }
  assertEqualTables(stored.tables, expectedTables(world, tree, platform, stored), options);
  for (const { chainId, covers, kind, address } of stored.contracts) {
    const head = stored.heads.get(chainId)?.headNumber ?? -1;
    assert(!covers(head + 1), `${kind} ${address} claims blocks above the head ${head}`);
  }
  return stored;
}

/** Returns the expected tables for the heads and the coverage that the database contains. */
export function expectedTables(world: SimWorld, tree: BlockTree, platform: PlatformState, stored: Stored): Tables {
  const covered = new Map(stored.contracts.map((contract) => [keyOf(contract), contract.covers]));
  const announced = world.contracts
    .filter((contract) => platform.announced.has(contract))
    .map((contract) => ({ ...contract, commanded: platform.links.get(contract) ?? new Map() }));
  const tables = new Map<string, Row[]>();
  for (const chainId of world.chainIds) {
    const oracle = new Oracle(
      announced.filter((contract) => contract.chainId === chainId),
      {
        platform: platform.tokens,
        covers: (contract, block) => covered.get(keyOf(contract))?.(block) ?? false,
        gasOf: (hash) => tree.gasOf(hash),
        decoder: tree.decoder,
      },
    );
    const head = stored.heads.get(chainId)?.headHash;
    for (const block of head == null ? [] : tree.oracleBlocksTo(head as Hex)) oracle.addBlock(block);
    for (const [name, rows] of oracle.tables()) tables.set(name, [...(tables.get(name) ?? []), ...rows]);
  }
  tables.set('revenue_links', revenueLinkRows(tables.get('dividend_events') ?? [], platform.revenues));
  tables.set('master_ipos', offeringRows(announced, tables.get('master_contracts') ?? [], platform.ipos));
  return tables;
}

/** Asserts equal tables. Before the stages have run, a link may be missing but not wrong, and an IPO's supply may be out of date. */
function assertEqualTables(stored: Tables, expected: Tables, { links, ipos, onWrongRows }: CheckOptions): void {
  const isDue = (difference: Difference) =>
    !mayBePending(difference) || (difference.table === 'master_ipos' ? ipos : links);
  const differences = compareTables(expected, stored).flatMap((table) => table.differences.filter(isDue));
  if (onWrongRows !== undefined) {
    onWrongRows(differences.length);
    return;
  }
  assert(
    differences.length === 0,
    `the database is not the fold of the chain\n${describeDifferences(differences).join('\n')}`,
  );
}

/** Returns whether a master covers a block with a batch that should quarantine the master, but that a lying node withheld. */
function coversTooManyTokens({ contracts: all }: SimWorld, tree: BlockTree, { contracts, heads }: Stored): boolean {
  return contracts.some((stored) => {
    const own = all.find((contract) => contract.kind === 'master' && keyOf(contract) === keyOf(stored));
    const head = heads.get(stored.chainId)?.headHash;
    const branch = own === undefined || head == null ? [] : tree.branchTo(head as Hex);
    return branch.some((block) => stored.covers(block.header.number) && quarantinesIn(block, own as SimContract));
  });
}

/** The largest ERC-2309 batch that does not quarantine its master. */
const TOKENS_MAX = 1_000_000n;

const batchDecoder = new LogDecoder();

/** Returns whether a block holds an ERC-2309 batch that quarantines the contract. */
export function quarantinesIn({ logs }: SimBlock, contract: SimContract): boolean {
  return logs.some(({ raw }) => {
    const decoded = raw.address === contract.address ? batchDecoder.decode(raw, contract.kind) : 'unknown';
    if (typeof decoded === 'string' || decoded.event !== 'ConsecutiveTransfer') return false;
    return numberOf(decoded.args, 'toTokenId') - numberOf(decoded.args, 'fromTokenId') + 1n > TOKENS_MAX;
  });
}
