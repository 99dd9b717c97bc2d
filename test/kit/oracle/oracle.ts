import type { Hex } from 'viem';
import { LogReader } from './events.ts';
import {
  contractEventRow,
  deadLetterRow,
  dividendClaimRow,
  dividendEventRow,
  type Gas,
  nftTransferRow,
  type PlatformTokens,
  poolEventRow,
  type Row,
  type Tables,
  tokenTransferRow,
} from './fact-rows.ts';
import { claimCurrencies, type Fact, nftMoves, type OracleBlock, type OracleContract, readBlock } from './facts.ts';
import { DividendState, MasterState, PoolState, TokenState } from './state.ts';
import { FACT_TABLES } from './stored.ts';

/** What the oracle is told besides the logs. */
export type OracleOptions = {
  /** What the platform wrote about tokens; nothing unless given. */
  readonly platform?: PlatformTokens;
  /** Whether a database claims to hold a block of a contract; every block unless given. */
  readonly covers?: (contract: OracleContract, blockNumber: number) => boolean;
  /** The gas of a claim's transaction. */
  readonly gasOf?: (transactionHash: Hex) => Gas | undefined;
  /** Remembers decoded logs between oracles. */
  readonly reader?: LogReader;
  /** Takes the rows of facts, which are kept unless this is given. */
  readonly onFact?: (table: string, row: Row) => void;
};

/**
 * Computes what a database must hold of some contracts from the logs of their chain alone, block after block, with plain folds
 * that share nothing with the program.
 */
export class Oracle {
  readonly #options: OracleOptions;
  readonly #reader: LogReader;
  readonly #platform: PlatformTokens;
  readonly #contractsAt: ReadonlyMap<Hex, readonly OracleContract[]>;
  readonly #masters = new Map<OracleContract, MasterState>();
  readonly #tokens = new Map<OracleContract, TokenState>();
  readonly #pools = new Map<OracleContract, PoolState>();
  readonly #dividends = new Map<OracleContract, DividendState>();
  readonly #facts = new Map<string, Row[]>(FACT_TABLES.map((table) => [table, []]));
  readonly #onFact: (table: string, row: Row) => void;

  constructor(contracts: readonly OracleContract[], options: OracleOptions = {}) {
    this.#options = options;
    this.#reader = options.reader ?? new LogReader();
    this.#platform = options.platform ?? new Map();
    this.#contractsAt = Map.groupBy(contracts, ({ address }) => address);
    this.#onFact = options.onFact ?? ((table, row) => this.#keep(table, row));
    for (const contract of contracts) {
      if (contract.kind === 'master') this.#masters.set(contract, new MasterState(contract));
      if (contract.kind === 'artist_token') this.#tokens.set(contract, new TokenState(contract));
      if (contract.kind === 'pool') this.#pools.set(contract, new PoolState(contract));
      if (contract.kind === 'dividend') this.#dividends.set(contract, new DividendState(contract));
    }
  }

  /** Applies the logs of a block; blocks come in the order of their numbers. */
  addBlock(block: OracleBlock): void {
    const { covers } = this.#options;
    const read = readBlock(this.#reader, block, this.#contractsAt);
    const isCovered = ({ contract }: { contract: OracleContract }) => covers?.(contract, block.number) ?? true;
    for (const misfit of read.misfits.filter(isCovered)) this.#onFact('dead_letters', deadLetterRow(misfit));
    for (const [contract, facts] of Map.groupBy(read.facts.filter(isCovered), ({ contract }) => contract)) {
      this.#apply(contract, block, facts);
    }
  }

  /** Returns the rows that every table must hold after the blocks so far. */
  tables(): Tables {
    const tables = new Map<string, readonly Row[]>(this.#facts);
    const platform = this.#platform;
    const [masters, tokens] = [[...this.#masters.values()], [...this.#tokens.values()]];
    const [pools, dividends] = [[...this.#pools.values()], [...this.#dividends.values()]];
    const claims = dividends.flatMap((state) => state.claimRows(this.#masters, platform));
    if (this.#options.onFact === undefined) tables.set('dividend_claims', claims);
    tables.set(
      'master_nfts',
      masters.flatMap((state) => state.tokenRows(platform)),
    );
    tables.set('master_contracts', rowsOf(masters));
    tables.set(
      'token_holders',
      tokens.flatMap((state) => state.holderRows()),
    );
    tables.set('artist_tokens', rowsOf(tokens));
    tables.set(
      'pool_positions',
      pools.flatMap((state) => state.positionRows()),
    );
    tables.set('liquidity_pools', rowsOf(pools));
    tables.set('dividend_contracts', rowsOf(dividends));
    return tables;
  }

  #apply(contract: OracleContract, block: OracleBlock, facts: readonly Fact[]): void {
    const moves = contract.kind === 'master' ? nftMoves(facts) : [];
    const currencies = claimCurrencies(this.#reader, block, facts);
    const claims = [...currencies].map(([claim, currency]) =>
      dividendClaimRow(claim, currency, this.#options.gasOf?.(claim.log.transactionHash)),
    );
    for (const move of moves) this.#onFact('nft_transfers', nftTransferRow(move, this.#platform));
    for (const fact of facts) {
      this.#add('token_transfers', tokenTransferRow(fact));
      this.#add('pool_events', poolEventRow(fact));
      this.#add('dividend_events', dividendEventRow(fact, currencies));
      this.#add('contract_events', contractEventRow(fact));
    }
    if (this.#options.onFact !== undefined) for (const claim of claims) this.#onFact('dividend_claims', claim);
    this.#masters.get(contract)?.apply(facts, moves);
    this.#tokens.get(contract)?.apply(facts);
    this.#pools.get(contract)?.apply(facts);
    this.#dividends.get(contract)?.apply(facts, claims);
  }

  #add(table: string, row: Row | undefined): void {
    if (row !== undefined) this.#onFact(table, row);
  }

  #keep(table: string, row: Row): void {
    this.#facts.get(table)?.push(row);
  }
}

/** Returns the rows of `master_ipos`: for every offering, the tokens that the contracts of its master minted. */
export function offeringRows(
  contracts: readonly OracleContract[],
  masterContracts: readonly Row[],
  masterIds: Iterable<string>,
): Row[] {
  const masterOf = new Map(contracts.map((one) => [`${one.chainId} ${one.address} ${one.kind}`, one.masterId]));
  const rowsByMaster = Map.groupBy(masterContracts, (row) => masterOf.get(`${row.chain_id} ${row.contract} master`));
  return [...masterIds].flatMap((id) => {
    const rows = rowsByMaster.get(id);
    if (rows === undefined) return [];
    const minted = rows.reduce((sum, row) => sum + BigInt(row.minted_supply ?? 0), 0n);
    return [{ master_id: id, minted_supply: String(minted) }];
  });
}

function rowsOf(states: readonly { contractRow(): Row }[]): Row[] {
  return states.map((state) => state.contractRow());
}
