import { createHash } from 'node:crypto';
import { type Hex, zeroAddress } from 'viem';
import { numberOf } from './events.ts';
import { type PlatformTokens, type Row, tokenKey, tokenRowId, uuidOf } from './fact-rows.ts';
import type { Fact, NftTransfer, OracleContract } from './facts.ts';

/** The amounts that one token earned and that were claimed for it, in one currency. */
type Account = { earned: bigint; claimed: bigint };

type Token = {
  readonly contract: OracleContract;
  readonly key: string;
  readonly tokenId: string;
  owner: Hex;
  readonly accounts: Map<Hex, Account>;
};

/** The amounts that one wallet earned and claimed in one currency. */
type Balance = { earned: bigint; claimed: bigint; lastClaim: Fact | undefined };

/** What was paid for one token: the sum in the native coin, and the time of the latest claim in any currency. */
export type Payments = { total: bigint; claimedAt: number };

/** An event in the order of the chain: a transfer of a token of some master, or an event of the dividend contract. */
export type DividendStep =
  | { readonly transfer: NftTransfer }
  | { readonly fact: Fact; readonly currency: Hex; readonly claimRow?: Row };

/**
 * Returns whether a dividend contract pays those who own a token at the distribution. Otherwise the unclaimed earnings of a token move
 * with the token.
 */
export function paysBySnapshot({ abiVersion }: OracleContract): boolean {
  return abiVersion === '3.0';
}

/**
 * Computes the state of one dividend contract and of the tokens that it pays. Applies all events one by one, in the order of the chain.
 * A distribution visits every token.
 */
export class DividendState {
  readonly #contract: OracleContract;
  readonly #serves: ReadonlySet<OracleContract>;
  readonly #isSnapshot: boolean;
  readonly #tokens = new Map<string, Token>();
  readonly #balances = new Map<Hex, Map<Hex, Balance>>();
  readonly #payments = new Map<string, Payments>();
  readonly #claims: { readonly row: Row; readonly token: string | undefined }[] = [];
  readonly #snapshots: Row[] = [];
  readonly #holders: Row[] = [];
  #deposited = 0n;
  #distributed = 0n;

  constructor(contract: OracleContract, contracts: readonly OracleContract[]) {
    this.#contract = contract;
    this.#serves = new Set(contracts.filter((master) => paysHoldersOf(contract, master)));
    this.#isSnapshot = paysBySnapshot(contract);
  }

  /** Applies the next event. */
  apply(step: DividendStep): void {
    if ('transfer' in step) {
      if (this.#serves.has(step.transfer.contract)) this.#transfer(step.transfer);
      return;
    }
    const { fact, currency, claimRow } = step;
    if (fact.contract !== this.#contract) return;
    const isNative = currency === zeroAddress;
    if (claimRow !== undefined) this.#claim(fact, currency, claimRow);
    else if (fact.event === 'DividendsDistributed') {
      if (isNative) this.#distributed += numberOf(fact.args, 'amount');
      this.#takeSnapshot(fact);
      this.#distribute(currency, numberOf(fact.args, 'perTokenAmount'));
    } else if (isNative) this.#deposited += numberOf(fact.args, 'amount');
  }

  /** Returns the rows of `dividend_claims`, each with the link to its token. */
  claimRows(platform: PlatformTokens): Row[] {
    return this.#claims.map(({ row, token }) => ({
      ...row,
      master_nft_id: token === undefined ? null : tokenRowId(token, platform),
    }));
  }

  /** Returns what was paid for each token, by `tokenKey`. */
  payments(): ReadonlyMap<string, Payments> {
    return this.#payments;
  }

  /** Returns the rows of `wallet_dividend_balances`. */
  balanceRows(): Row[] {
    const { address: contract, chainId, platformId, masterId } = this.#contract;
    return [...this.#balances].flatMap(([wallet, byCurrency]) => {
      const owned = [...this.#tokens.values()].filter(({ owner }) => owner === wallet);
      return [...byCurrency].map(([currency, { earned, claimed, lastClaim }]): Row => {
        const unclaimed = owned.reduce((sum, { accounts }) => sum + unclaimedOf(accounts.get(currency)), 0n);
        const total = this.#isSnapshot ? earned : unclaimed + claimed;
        return {
          contract,
          dividend_contract_id: platformId,
          master_id: masterId,
          chain_id: String(chainId),
          wallet_address: wallet,
          currency,
          total_earned: String(total),
          total_claimed: String(claimed),
          claimable_amount: String(total - claimed),
          tokens_held: String(owned.length),
          last_claimed_at: lastClaim === undefined ? null : String(lastClaim.timestamp),
          last_claim_tx_hash: lastClaim?.log.transactionHash ?? null,
        };
      });
    });
  }

  /** Returns the rows of `nft_ownership_snapshots` that distributions made. */
  snapshotRows(): readonly Row[] {
    return this.#snapshots;
  }

  /** Returns the number of owners at each distribution. */
  holderRows(): readonly Row[] {
    return this.#holders;
  }

  /** Returns the contract's row of `dividend_contracts`. */
  contractRow(): Row {
    return {
      contract: this.#contract.address,
      chain_id: String(this.#contract.chainId),
      total_revenue_deposited: String(this.#deposited),
      total_dividends_distributed: String(this.#distributed),
    };
  }

  #transfer({ contract, tokenId, to }: NftTransfer): void {
    const key = tokenKey(contract.chainId, contract.address, tokenId);
    const token = this.#tokens.get(key) ?? {
      ...{ contract, key, tokenId: String(tokenId), owner: zeroAddress, accounts: new Map<Hex, Account>() },
    };
    this.#tokens.set(key, token);
    if (token.owner === to) return;
    token.owner = to;
    // If the contract pays the owners at the distribution, earnings do not move with a token.
    if (this.#isSnapshot || to === zeroAddress) return;
    for (const [currency, account] of token.accounts) if (unclaimedOf(account) !== 0n) this.#balance(to, currency);
  }

  #takeSnapshot({ log, timestamp, position }: Fact): void {
    const existing = [...this.#tokens.values()].filter(({ owner }) => owner !== zeroAddress);
    for (const { contract, tokenId, owner } of existing) {
      const key = `${contract.chainId}:${contract.address}:${log.blockNumber}:${log.logIndex}:dividend:${tokenId}`;
      this.#snapshots.push({
        id: uuidOf(createHash('md5').update(`nft_ownership_snapshots:${key}`).digest('hex')),
        master_id: contract.masterId,
        chain_id: String(contract.chainId),
        contract: contract.address,
        snapshot_block_number: String(log.blockNumber),
        snapshot_log_index: String(log.logIndex),
        snapshot_timestamp: String(timestamp),
        token_id: tokenId,
        owner_wallet: owner,
      });
    }
    this.#holders.push({
      contract: this.#contract.address,
      chain_id: String(this.#contract.chainId),
      position: String(position),
      total_holders_at_distribution: String(new Set(existing.map(({ owner }) => owner)).size),
    });
  }

  #distribute(currency: Hex, amount: bigint): void {
    if (amount === 0n) return;
    for (const token of this.#tokens.values()) {
      if (token.owner === zeroAddress) continue;
      accountOf(token, currency).earned += amount;
      this.#balance(token.owner, currency).earned += amount;
    }
  }

  #claim(claim: Fact, currency: Hex, row: Row): void {
    const holder = row.wallet_address as Hex;
    const amount = numberOf(claim.args, 'amount');
    const token = this.#tokenOf(row.token_id ?? null, holder);
    this.#claims.push({ row, token: token?.key });
    if (holder !== zeroAddress) {
      const balance = this.#balance(holder, currency);
      balance.claimed += amount;
      balance.lastClaim = claim;
    }
    if (token === undefined) return;
    accountOf(token, currency).claimed += amount;
    if (!this.#isSnapshot && token.owner !== zeroAddress && amount !== 0n) this.#balance(token.owner, currency);
    const paid = this.#payments.get(token.key) ?? { total: 0n, claimedAt: 0 };
    this.#payments.set(token.key, paid);
    if (currency === zeroAddress) paid.total += amount;
    paid.claimedAt = claim.timestamp;
  }

  /**
   * Returns the token with this id that a claim is for: the only token that exists, or the claimant's if several masters have such a
   * token, or, if none exists, the only one that was burnt.
   */
  #tokenOf(tokenId: string | null, holder: Hex): Token | undefined {
    const known = [...this.#tokens.values()].filter((token) => token.tokenId === tokenId);
    const existing = known.filter(({ owner }) => owner !== zeroAddress);
    const owned = existing.filter(({ owner }) => owner === holder);
    const chosen = existing.length > 1 ? owned : existing.length === 1 ? existing : known;
    return chosen.length === 1 ? chosen[0] : undefined;
  }

  #balance(wallet: Hex, currency: Hex): Balance {
    const byCurrency = this.#balances.get(wallet) ?? new Map<Hex, Balance>();
    this.#balances.set(wallet, byCurrency);
    const balance = byCurrency.get(currency) ?? { earned: 0n, claimed: 0n, lastClaim: undefined };
    byCurrency.set(currency, balance);
    return balance;
  }
}

function accountOf(token: Token, currency: Hex): Account {
  const account = token.accounts.get(currency) ?? { earned: 0n, claimed: 0n };
  token.accounts.set(currency, account);
  return account;
}

function unclaimedOf(account: Account | undefined): bigint {
  return account === undefined ? 0n : account.earned - account.claimed;
}

/** Returns whether a dividend contract pays the holders of a master contract. */
function paysHoldersOf(dividend: OracleContract, master: OracleContract): boolean {
  if (master.kind !== 'master' || dividend.kind !== 'dividend' || master.chainId !== dividend.chainId) return false;
  const { linkedMaster, masterId, artistId, model = 'per_master', commanded } = dividend;
  const command = commanded?.get(master.address);
  if (command !== undefined) return command;
  if (linkedMaster !== null) return master.address === linkedMaster;
  if (model === 'platform') return true;
  if (model === 'per_artist') return artistId != null && master.artistId === artistId;
  return masterId !== null && master.masterId === masterId;
}
