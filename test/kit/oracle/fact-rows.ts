import { createHash } from 'node:crypto';
import { type Hex, zeroAddress } from 'viem';
import { ADMINISTRATIVE_EVENTS, addressOf, claimantOf, type EventName, numberOf, type OracleLog } from './events.ts';
import { type Fact, isLpTransfer, type Misfit, type NftTransfer } from './facts.ts';

/** A row as text by column, so that numbers of any size compare exactly. Null is SQL's null. */
export type Row = Readonly<Record<string, string | null>>;

/** The rows of compared tables by table name. */
export type Tables = ReadonlyMap<string, readonly Row[]>;

/** What the platform wrote to the row of a token: the row's id if the platform inserted it, and whether it listed the token. */
export type PlatformToken = { readonly id: string | undefined; readonly listed: boolean };
/** What the platform wrote about tokens, by `tokenKey`. */
export type PlatformTokens = ReadonlyMap<string, PlatformToken>;

/** Returns the key of a token in `PlatformTokens`, from which the id of its row is also derived. */
export function tokenKey(chainId: number, contract: string, tokenId: bigint | string): string {
  return `${chainId}:${contract}:${tokenId}`;
}

/** Returns the id of a token's row. It is derived from the natural key, unless the platform inserted the row. */
export function tokenRowId(key: string, tokens: PlatformTokens): string {
  return tokens.get(key)?.id ?? uuidOf(createHash('md5').update(`master_nfts:${key}`).digest('hex'));
}

/** Returns the columns about a log that every fact table has. */
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

/** Returns the row of `nft_transfers` for a transfer. */
export function nftTransferRow(transfer: NftTransfer, tokens: PlatformTokens): Row {
  return {
    ...originOf(transfer),
    token_id: String(transfer.tokenId),
    master_nft_id: tokenRowId(tokenKey(transfer.contract.chainId, transfer.contract.address, transfer.tokenId), tokens),
    master_id: transfer.contract.masterId,
    from_wallet: transfer.from,
    to_wallet: transfer.to,
    transfer_type: transfer.type,
    sale_price_wei: transfer.price === null ? null : String(transfer.price),
    sale_currency: transfer.price === null ? null : zeroAddress,
  };
}

/** Returns the row of `token_transfers` for a fact, or undefined if it has none. */
export function tokenTransferRow(fact: Fact): Row | undefined {
  if (fact.contract.kind !== 'artist_token' || fact.event !== 'Transfer20') return undefined;
  return {
    ...originOf(fact),
    artist_token_id: fact.contract.platformId,
    from_wallet: addressOf(fact.args, 'from'),
    to_wallet: addressOf(fact.args, 'to'),
    value: String(fact.args.value),
  };
}

/** Returns the row of `pool_events` for a fact, or undefined if it has none. */
export function poolEventRow(fact: Fact): Row | undefined {
  const event = poolEventOf(fact);
  if (event === undefined) return undefined;
  const { platformId, artistTokenId } = fact.contract;
  return {
    ...originOf(fact),
    liquidity_pool_id: platformId,
    artist_token_id: artistTokenId,
    sender: addressOf(fact.args, 'sender'),
    ...event,
  };
}

function poolEventOf({ event, args }: Fact): Row | undefined {
  const amounts = { amount0: String(args.amount0), amount1: String(args.amount1) };
  if (event === 'Mint') return { event_type: 'add_liquidity', ...amounts, recipient: null };
  if (event === 'Burn') return { event_type: 'remove_liquidity', ...amounts, recipient: addressOf(args, 'to') };
  if (event !== 'Swap') return undefined;
  return {
    event_type: 'swap',
    amount0: String(numberOf(args, 'amount0In') - numberOf(args, 'amount0Out')),
    amount1: String(numberOf(args, 'amount1In') - numberOf(args, 'amount1Out')),
    recipient: addressOf(args, 'to'),
  };
}

const DIVIDEND_EVENTS: Readonly<Record<string, string>> = {
  RevenueDeposited: 'deposit',
  RevenueDepositedFrom: 'deposit',
  DividendDeposited: 'deposit',
  DividendsDistributed: 'distribution',
  DividendClaimed: 'claim',
  DividendClaimedByOwner: 'claim',
  DividendClaimedForEpoch: 'claim',
};

/** Returns the row of `dividend_events` for a fact, or undefined if it has none. */
export function dividendEventRow(fact: Fact, currencies: ReadonlyMap<Fact, Hex>): Row | undefined {
  const type = DIVIDEND_EVENTS[fact.event];
  if (type === undefined) return undefined;
  const { args, contract } = fact;
  const isClaim = type === 'claim';
  return {
    ...originOf(fact),
    dividend_contract_id: contract.platformId,
    master_id: contract.masterId,
    event_type: type,
    total_amount: String(args.amount),
    currency: isClaim ? (currencies.get(fact) ?? null) : namedCurrency(fact),
    claimant_wallet: isClaim ? claimantOf(args) : null,
    claimant_token_id: isClaim && args.tokenId !== undefined ? String(args.tokenId) : null,
    per_token_amount: type === 'distribution' ? String(args.perTokenAmount) : null,
  };
}

/** Returns the currency of an event that is not a claim: the token that it names, or else the native coin. */
export function namedCurrency({ args }: Fact): Hex {
  return args.token === undefined ? zeroAddress : addressOf(args, 'token');
}

/** The gas of a transaction according to its receipt. The price is null if the chain reports none. */
export type Gas = { readonly gasUsed: bigint; readonly gasPrice: bigint | null };

/** Returns the row of `dividend_claims` for a claim, without the link to its token. */
export function dividendClaimRow(claim: Fact, currency: Hex, gas: Gas | undefined): Row {
  return {
    ...originOf(claim),
    dividend_contract_id: claim.contract.platformId,
    master_id: claim.contract.masterId,
    wallet_address: claimantOf(claim.args),
    token_id: claim.args.tokenId === undefined ? null : String(claim.args.tokenId),
    amount_claimed: String(claim.args.amount),
    currency,
    gas_used: gas === undefined ? null : String(gas.gasUsed),
    gas_price_wei: gas === undefined || gas.gasPrice === null ? null : String(gas.gasPrice),
  };
}

const EVENTS_WITHOUT_A_TABLE: readonly EventName[] = [
  'Minted',
  'TransferValidatorUpdated',
  'DefaultRoyaltySet',
  'TokenRoyaltySet',
  'Sync',
  'MetadataUpdate',
  'BatchMetadataUpdate',
  ...ADMINISTRATIVE_EVENTS,
];

/** Returns the row of `indexer.contract_events` for a fact, or undefined if it has none. */
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

/** Returns the row of `indexer.dead_letters` for a log that does not fit its contract's ABI. */
export function deadLetterRow({ contract, log }: { contract: Misfit['contract']; log: OracleLog }): Row {
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

/** Returns 32 hexadecimal digits in the form of a UUID. */
export function uuidOf(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
