import { type Hex, zeroAddress } from 'viem';
import type { Payments } from './dividends.ts';
import { addressOf, numberOf } from './events.ts';
import { type PlatformTokens, type Row, tokenKey, tokenRowId } from './fact-rows.ts';
import { type Fact, isLpTransfer, type NftTransfer, type OracleContract } from './facts.ts';

type Token = { owner: Hex; lastPosition: bigint; mints: number; firstMint: NftTransfer | undefined };

/** The tokens of one master, with the state that follows from their transfers. */
export class MasterState {
  readonly #contract: OracleContract;
  readonly #tokens = new Map<string, Token>();
  /** The first three mints, by position and then by token id. */
  #firstMints: readonly NftTransfer[] = [];
  #supply = 0;
  #minted = 0;
  #royalty: Fact | undefined;

  constructor(contract: OracleContract) {
    this.#contract = contract;
  }

  /** Applies the facts and transfers of the next block. */
  apply(facts: readonly Fact[], transfers: readonly NftTransfer[]): void {
    this.#royalty = facts.findLast(({ event }) => event === 'DefaultRoyaltySet') ?? this.#royalty;
    for (const transfer of transfers) {
      const tokenId = String(transfer.tokenId);
      let token = this.#tokens.get(tokenId);
      if (token === undefined) {
        token = { owner: zeroAddress, lastPosition: 0n, mints: 0, firstMint: undefined };
        this.#tokens.set(tokenId, token);
      }
      token.owner = transfer.to;
      token.lastPosition = transfer.position;
      if (transfer.type === 'burn') this.#supply--;
      if (transfer.type !== 'mint') continue;
      this.#supply++;
      if (token.mints === 0) this.#minted++;
      token.mints++;
      token.firstMint ??= transfer;
      if (this.#firstMints.length < 3) this.#firstMints = [...this.#firstMints, transfer];
    }
  }

  /** Returns the rows of `master_nfts`: tokens that were transferred, and tokens whose row the platform wrote. */
  tokenRows(platform: PlatformTokens, payments: ReadonlyMap<string, Payments>): Row[] {
    const { chainId, address: contract, masterId, platformId } = this.#contract;
    const prefix = tokenKey(chainId, contract, '');
    const fromPlatform = [...platform.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
    return [...new Set([...this.#tokens.keys(), ...fromPlatform])].map((tokenId) => {
      const token = this.#tokens.get(tokenId);
      const mint = token?.firstMint;
      const key = tokenKey(chainId, contract, tokenId);
      const isFirst = (index: number) => String(String(this.#firstMints[index]?.tokenId) === tokenId);
      return {
        contract,
        id: tokenRowId(key, platform),
        chain_id: String(chainId),
        token_id: tokenId,
        master_id: masterId,
        master_contract_id: platformId,
        current_owner_wallet: token?.owner ?? zeroAddress,
        last_position: textOf(token?.lastPosition),
        original_minter_wallet: mint?.to ?? zeroAddress,
        first_mint_position: textOf(mint?.position),
        mint_count: String(token?.mints ?? 0),
        mint_tx_hash: mint?.log.transactionHash ?? null,
        minted_at_block: textOf(mint?.log.blockNumber),
        minted_at: textOf(mint?.timestamp),
        mint_price_wei: textOf(mint?.price ?? undefined),
        is_first_minter: isFirst(0),
        is_second_minter: isFirst(1),
        is_third_minter: isFirst(2),
        total_dividends_received: String(payments.get(key)?.total ?? 0n),
        last_dividend_claimed_at: textOf(payments.get(key)?.claimedAt),
        listing_status: platform.get(key)?.listed === true ? 'listed' : 'not_listed',
      };
    });
  }

  /** Returns the contract's row of `master_contracts`. */
  contractRow(): Row {
    const [first, second, third] = this.#firstMints;
    return {
      contract: this.#contract.address,
      chain_id: String(this.#contract.chainId),
      first_minter_wallet: first?.to ?? null,
      second_minter_wallet: second?.to ?? null,
      third_minter_wallet: third?.to ?? null,
      third_mint_position: textOf(third?.position),
      current_supply: String(this.#supply),
      minted_supply: String(this.#minted),
      default_royalty_bps: textOf(this.#royalty && numberOf(this.#royalty.args, 'feeNumerator')),
      royalty_position: textOf(this.#royalty?.position),
    };
  }
}

type Holding = { balance: bigint; readonly first: Fact; acquired: Fact | undefined };

/** The balances of one fungible token, except that of the zero address. */
class Holdings {
  readonly #held = new Map<Hex, Holding>();

  apply(fact: Fact): void {
    const value = numberOf(fact.args, 'value');
    this.#change(addressOf(fact.args, 'from'), -value, fact);
    this.#change(addressOf(fact.args, 'to'), value, fact);
  }

  get holders(): number {
    return [...this.#held.values()].filter(({ balance }) => balance > 0n).length;
  }

  entries(): Iterable<[Hex, Holding]> {
    return this.#held;
  }

  #change(wallet: Hex, amount: bigint, fact: Fact): void {
    if (wallet === zeroAddress) return;
    let holding = this.#held.get(wallet);
    if (holding === undefined) {
      holding = { balance: 0n, first: fact, acquired: undefined };
      this.#held.set(wallet, holding);
    }
    holding.balance += amount;
    if (amount > 0n) holding.acquired ??= fact;
  }
}

/** The holders and the supply of one artist token. */
export class TokenState {
  readonly #contract: OracleContract;
  readonly #holdings = new Holdings();
  #supply = 0n;

  constructor(contract: OracleContract) {
    this.#contract = contract;
  }

  /** Applies the facts of the next block. */
  apply(facts: readonly Fact[]): void {
    for (const fact of facts.filter(({ event }) => event === 'Transfer20')) {
      this.#holdings.apply(fact);
      const { from, to } = fact.args;
      if (from === zeroAddress && to !== zeroAddress) this.#supply += numberOf(fact.args, 'value');
      if (to === zeroAddress && from !== zeroAddress) this.#supply -= numberOf(fact.args, 'value');
    }
  }

  /** Returns the rows of `token_holders`. */
  holderRows(): Row[] {
    const { address: contract, chainId, platformId } = this.#contract;
    return [...this.#holdings.entries()].map(([wallet, { balance, first, acquired }]) => ({
      contract,
      artist_token_id: platformId,
      chain_id: String(chainId),
      wallet_address: wallet,
      balance: String(balance),
      first_position: String(first.position),
      first_acquired_position: textOf(acquired?.position),
      first_acquired_at: textOf(acquired?.timestamp),
      first_acquired_tx_hash: acquired?.log.transactionHash ?? null,
    }));
  }

  /** Returns the contract's row of `artist_tokens`. */
  contractRow(): Row {
    return {
      contract: this.#contract.address,
      chain_id: String(this.#contract.chainId),
      total_supply: String(this.#supply),
      holders_count: String(this.#holdings.holders),
    };
  }
}

/** The reserves, the liquidity providers and the LP supply of one pool. */
export class PoolState {
  readonly #contract: OracleContract;
  readonly #holdings = new Holdings();
  #supply = 0n;
  #sync: Fact | undefined;

  constructor(contract: OracleContract) {
    this.#contract = contract;
  }

  /** Applies the facts of the next block. */
  apply(facts: readonly Fact[]): void {
    this.#sync = facts.findLast(({ event }) => event === 'Sync') ?? this.#sync;
    for (const fact of facts.filter(isLpTransfer)) {
      this.#holdings.apply(fact);
      // The first mint of a pool mints 1000 to the zero address. They are part of the supply. Only the pair itself burns.
      if (fact.args.from === zeroAddress) this.#supply += numberOf(fact.args, 'value');
      else if (fact.args.to === zeroAddress && fact.args.from === this.#contract.address) {
        this.#supply -= numberOf(fact.args, 'value');
      }
    }
  }

  /** Returns the rows of `pool_positions`. */
  positionRows(): Row[] {
    const { address: contract, chainId, platformId } = this.#contract;
    return [...this.#holdings.entries()].map(([wallet, { balance, first, acquired }]) => ({
      contract,
      liquidity_pool_id: platformId,
      chain_id: String(chainId),
      wallet_address: wallet,
      lp_token_balance: String(balance),
      first_position: String(first.position),
      entry_position: textOf(acquired?.position),
      entered_at: textOf(acquired?.timestamp),
      entry_tx_hash: acquired?.log.transactionHash ?? null,
    }));
  }

  /** Returns the contract's row of `liquidity_pools`. */
  contractRow(): Row {
    return {
      contract: this.#contract.address,
      chain_id: String(this.#contract.chainId),
      reserve0: String(this.#sync?.args.reserve0 ?? 0n),
      reserve1: String(this.#sync?.args.reserve1 ?? 0n),
      reserve_position: textOf(this.#sync?.position),
      lp_total_supply: String(this.#supply),
    };
  }
}

function textOf(value: bigint | number | undefined): string | null {
  return value === undefined ? null : String(value);
}
