import type { Hex } from 'viem';
import { DividendState, type DividendStep, type Payments } from './dividends.ts';
import { LogDecoder } from './events.ts';
import {
  contractEventRow,
  deadLetterRow,
  dividendClaimRow,
  dividendEventRow,
  type Gas,
  namedCurrency,
  nftTransferRow,
  type PlatformTokens,
  poolEventRow,
  type Row,
  type Tables,
  tokenTransferRow,
} from './fact-rows.ts';
import {
  claimCurrencies,
  decodeBlock,
  type Fact,
  nftTransfers,
  type OracleBlock,
  type OracleContract,
} from './facts.ts';
import { MasterState, PoolState, TokenState } from './state.ts';
import { FACT_TABLES } from './stored.ts';

/** What the oracle knows besides the logs. */
export type OracleOptions = {
  /** What the platform wrote to the rows of tokens. Default: nothing. */
  readonly platform?: PlatformTokens;
  /** Returns whether the database covers a block of a contract. Default: every block. */
  readonly covers?: (contract: OracleContract, blockNumber: number) => boolean;
  /** Returns the gas of a claim's transaction. */
  readonly gasOf?: (transactionHash: Hex) => Gas | undefined;
  /** May be shared by oracles, since it caches decoded logs. */
  readonly decoder?: LogDecoder;
  /** Receives the rows of facts. By default they are kept for `tables()`. */
  readonly onFact?: (table: string, row: Row) => void;
};

/**
 * Computes the rows that a database must have for some contracts from the logs of their chain, block by block. It shares no code
 * with the program.
 */
export class Oracle {
  readonly #options: OracleOptions;
  readonly #decoder: LogDecoder;
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
    this.#decoder = options.decoder ?? new LogDecoder();
    this.#platform = options.platform ?? new Map();
    this.#contractsAt = Map.groupBy(contracts, ({ address }) => address);
    this.#onFact = options.onFact ?? ((table, row) => this.#keep(table, row));
    for (const contract of contracts) {
      if (contract.kind === 'master') this.#masters.set(contract, new MasterState(contract));
      if (contract.kind === 'artist_token') this.#tokens.set(contract, new TokenState(contract));
      if (contract.kind === 'pool') this.#pools.set(contract, new PoolState(contract));
      if (contract.kind === 'dividend') this.#dividends.set(contract, new DividendState(contract, contracts));
    }
  }

  /** Applies the logs of a block. Blocks must be added in ascending order. */
  addBlock(block: OracleBlock): void {
    const { covers } = this.#options;
    const decoded = decodeBlock(this.#decoder, block, this.#contractsAt);
    const isCovered = ({ contract }: { contract: OracleContract }) => covers?.(contract, block.number) ?? true;
    for (const misfit of decoded.misfits.filter(isCovered)) this.#onFact('dead_letters', deadLetterRow(misfit));
    const byContract = Map.groupBy(decoded.facts.filter(isCovered), ({ contract }) => contract);
    const steps = [...byContract].flatMap(([contract, facts]) => this.#apply(contract, block, facts));
    // Dividends depend on the order of events of several contracts.
    for (const step of steps.sort((a, b) => Number(positionOf(a) - positionOf(b)))) {
      for (const state of this.#dividends.values()) state.apply(step);
    }
  }

  /** Returns the rows that every table must have after the blocks so far. */
  tables(): Tables {
    const tables = new Map<string, readonly Row[]>(this.#facts);
    const platform = this.#platform;
    const [masters, tokens] = [[...this.#masters.values()], [...this.#tokens.values()]];
    const [pools, dividends] = [[...this.#pools.values()], [...this.#dividends.values()]];
    const claims = dividends.flatMap((state) => state.claimRows(platform));
    const payments = paymentsOf(dividends);
    if (this.#options.onFact === undefined) tables.set('dividend_claims', claims);
    tables.set(
      'master_nfts',
      masters.flatMap((state) => state.tokenRows(platform, payments)),
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
    tables.set(
      'wallet_dividend_balances',
      dividends.flatMap((state) => state.balanceRows()),
    );
    tables.set(
      'nft_ownership_snapshots',
      dividends.flatMap((state) => state.snapshotRows()),
    );
    tables.set(
      'distribution_holders',
      dividends.flatMap((state) => state.holderRows()),
    );
    return tables;
  }

  /** Applies the facts of one contract. Returns those on which dividends depend. */
  #apply(contract: OracleContract, block: OracleBlock, facts: readonly Fact[]): DividendStep[] {
    const transfers = contract.kind === 'master' ? nftTransfers(facts) : [];
    const currencies = claimCurrencies(this.#decoder, block, facts);
    const steps: DividendStep[] = transfers.map((transfer) => ({ transfer }));
    for (const transfer of transfers) this.#onFact('nft_transfers', nftTransferRow(transfer, this.#platform));
    for (const fact of facts) {
      this.#add('token_transfers', tokenTransferRow(fact));
      this.#add('pool_events', poolEventRow(fact));
      const dividendEvent = dividendEventRow(fact, currencies);
      this.#add('dividend_events', dividendEvent);
      this.#add('contract_events', contractEventRow(fact));
      if (dividendEvent === undefined) continue;
      const claimed = currencies.get(fact);
      if (claimed === undefined) steps.push({ fact, currency: namedCurrency(fact) });
      else {
        const claimRow = dividendClaimRow(fact, claimed, this.#options.gasOf?.(fact.log.transactionHash));
        if (this.#options.onFact !== undefined) this.#onFact('dividend_claims', claimRow);
        steps.push({ fact, currency: claimed, claimRow });
      }
    }
    this.#masters.get(contract)?.apply(facts, transfers);
    this.#tokens.get(contract)?.apply(facts);
    this.#pools.get(contract)?.apply(facts);
    return steps;
  }

  #add(table: string, row: Row | undefined): void {
    if (row !== undefined) this.#onFact(table, row);
  }

  #keep(table: string, row: Row): void {
    this.#facts.get(table)?.push(row);
  }
}

/** Returns the rows of `master_ipos`: for each master with an offering, the supply that all of its contracts minted together. */
export function offeringRows(
  contracts: readonly OracleContract[],
  masterContracts: readonly Row[],
  masterIds: Iterable<string>,
): Row[] {
  const masterOf = new Map(
    contracts.map(({ chainId, address, kind, masterId }) => [`${chainId} ${address} ${kind}`, masterId]),
  );
  const rowsByMaster = Map.groupBy(masterContracts, (row) => masterOf.get(`${row.chain_id} ${row.contract} master`));
  return [...masterIds].flatMap((id) => {
    const rows = rowsByMaster.get(id);
    if (rows === undefined) return [];
    const minted = rows.reduce((sum, row) => sum + BigInt(row.minted_supply ?? 0), 0n);
    return [{ master_id: id, minted_supply: String(minted) }];
  });
}

function positionOf(step: DividendStep): bigint {
  return 'transfer' in step ? step.transfer.position : step.fact.position;
}

/** Returns what all dividend contracts paid for each token. */
function paymentsOf(dividends: readonly DividendState[]): ReadonlyMap<string, Payments> {
  const payments = new Map<string, Payments>();
  for (const state of dividends) {
    for (const [key, { total, claimedAt }] of state.payments()) {
      const other = payments.get(key) ?? { total: 0n, claimedAt: 0 };
      payments.set(key, { total: other.total + total, claimedAt: Math.max(other.claimedAt, claimedAt) });
    }
  }
  return payments;
}

function rowsOf(states: readonly { contractRow(): Row }[]): Row[] {
  return states.map((state) => state.contractRow());
}
