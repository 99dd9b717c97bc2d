import { createHash } from 'node:crypto';
import { type Hex, zeroAddress } from 'viem';
import { address, big, type ChainLog } from './events.ts';
import { type Fact, isLpTransfer, type Misfit, type NftMove } from './facts.ts';

/** A row as text by column, so that no number is too large to compare; null is SQL's. */
export type Row = Readonly<Record<string, string | null>>;

/** The rows of compared tables, by the table's name. */
export type Tables = ReadonlyMap<string, readonly Row[]>;

/** What the platform itself wrote about a token: the id of a row that it inserted, and whether it listed the token. */
export type PlatformToken = { readonly id: string | undefined; readonly listed: boolean };
/** What the platform wrote about tokens, by `tokenKey`. */
export type PlatformTokens = ReadonlyMap<string, PlatformToken>;

/** Returns the key of a token in `PlatformTokens`, from which its id is derived too. */
export function tokenKey(chainId: number, contract: string, tokenId: bigint | string): string {
  return `${chainId}:${contract}:${tokenId}`;
}

/** Returns the id of a token's row: the platform's where it inserted the row, else one derived from the natural key. */
export function tokenRowId(key: string, tokens: PlatformTokens): string {
  return tokens.get(key)?.id ?? uuidOf(createHash('md5').update(`master_nfts:${key}`).digest('hex'));
}

/** What every table of facts holds about a log. */
function originOf({ contract, log, timestamp, position }: Fact): Row {
  return {
    contract: contract.address,
    chain_id: String(contract.chainId),
    block_number: String(log.blockNumber),
    log_index: String(log.logIndex),
    block_hash: log.blockHash,
    tx_hash: log.transactionHash,
    timestamp: String(timestamp),
    position: String(position),
  };
}

/** Returns the row of `nft_transfers` that a move becomes. */
export function nftTransferRow(move: NftMove, tokens: PlatformTokens): Row {
  return {
    ...originOf(move),
    token_id: String(move.tokenId),
    master_nft_id: tokenRowId(tokenKey(move.contract.chainId, move.contract.address, move.tokenId), tokens),
    master_id: move.contract.masterId,
    from_wallet: move.from,
    to_wallet: move.to,
    transfer_type: move.type,
    sale_price_wei: move.price === null ? null : String(move.price),
    sale_currency: move.price === null ? null : zeroAddress,
  };
}

/** Returns the row of `token_transfers` that a fact becomes; undefined where it becomes none. */
export function tokenTransferRow(fact: Fact): Row | undefined {
  if (fact.contract.kind !== 'artist_token') return undefined;
  return {
    ...originOf(fact),
    artist_token_id: fact.contract.platformId,
    from_wallet: address(fact.args, 'from'),
    to_wallet: address(fact.args, 'to'),
    value: String(fact.args.value),
  };
}

/** Returns the row of `pool_events` that a fact becomes; undefined where it becomes none. */
export function poolEventRow(fact: Fact): Row | undefined {
  const event = poolEventOf(fact);
  if (event === undefined) return undefined;
  const { platformId, artistTokenId } = fact.contract;
  return {
    ...originOf(fact),
    liquidity_pool_id: platformId,
    artist_token_id: artistTokenId,
    sender: address(fact.args, 'sender'),
    ...event,
  };
}

function poolEventOf({ event, args }: Fact): Row | undefined {
  const amounts = { amount0: String(args.amount0), amount1: String(args.amount1) };
  if (event === 'Mint') return { event_type: 'add_liquidity', ...amounts, recipient: null };
  if (event === 'Burn') return { event_type: 'remove_liquidity', ...amounts, recipient: address(args, 'to') };
  if (event !== 'Swap') return undefined;
  return {
    event_type: 'swap',
    amount0: String(big(args, 'amount0In') - big(args, 'amount0Out')),
    amount1: String(big(args, 'amount1In') - big(args, 'amount1Out')),
    recipient: address(args, 'to'),
  };
}

const DIVIDEND_EVENTS: Readonly<Record<string, string>> = {
  RevenueDeposited: 'deposit',
  DividendsDistributed: 'distribution',
  DividendClaimed: 'claim',
};

/** Returns the row of `dividend_events` that a fact becomes; undefined where it becomes none. */
export function dividendEventRow(fact: Fact, currencies: ReadonlyMap<Fact, Hex>): Row | undefined {
  const type = DIVIDEND_EVENTS[fact.event];
  if (type === undefined) return undefined;
  const { args, contract } = fact;
  const claims = type === 'claim';
  return {
    ...originOf(fact),
    dividend_contract_id: contract.platformId,
    master_id: contract.masterId,
    event_type: type,
    total_amount: String(args.amount),
    currency: claims ? (currencies.get(fact) ?? null) : address(args, 'token'),
    claimant_wallet: claims ? address(args, 'holder') : null,
    claimant_token_id: claims ? String(args.tokenId) : null,
    per_token_amount: type === 'distribution' ? String(args.perTokenAmount) : null,
  };
}

/** What a transaction's receipt says about gas; the price is null where the chain reports none. */
export type Gas = { readonly gasUsed: bigint; readonly gasPrice: bigint | null };

/** Returns the row of `dividend_claims` that a claim becomes, without the link to its token. */
export function dividendClaimRow(claim: Fact, currency: Hex, gas: Gas | undefined): Row {
  return {
    ...originOf(claim),
    dividend_contract_id: claim.contract.platformId,
    master_id: claim.contract.masterId,
    wallet_address: address(claim.args, 'holder'),
    token_id: String(claim.args.tokenId),
    amount_claimed: String(claim.args.amount),
    currency,
    gas_used: gas === undefined ? null : String(gas.gasUsed),
    gas_price_wei: gas === undefined || gas.gasPrice === null ? null : String(gas.gasPrice),
  };
}

const EVENTS_WITHOUT_A_TABLE = ['Minted', 'TransferValidatorUpdated', 'DefaultRoyaltySet', 'TokenRoyaltySet', 'Sync'];

/** Returns the row of `indexer.contract_events` that a fact becomes; undefined where it becomes none. */
export function contractEventRow(fact: Fact): Row | undefined {
  const isTransfer = isLpTransfer(fact);
  if (!isTransfer && !EVENTS_WITHOUT_A_TABLE.includes(fact.event)) return undefined;
  const named = Object.entries(fact.args).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...originOf(fact),
    kind: fact.contract.kind,
    event: isTransfer ? 'Transfer' : fact.event,
    arguments: named.map(([name, value]) => `${name}="${value}"`).join(' '),
  };
}

/** Returns the row of `indexer.dead_letters` that a log becomes when it does not fit its contract's ABI. */
export function deadLetterRow({ contract, log }: { contract: Misfit['contract']; log: ChainLog }): Row {
  return {
    contract: contract.address,
    chain_id: String(contract.chainId),
    block_number: String(log.blockNumber),
    log_index: String(log.logIndex),
    block_hash: log.blockHash,
    tx_hash: log.transactionHash,
    topics: log.topics.join(','),
    data: log.data,
    has_reason: 'true',
  };
}

function uuidOf(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
