import { createHash } from 'node:crypto';
import { ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { address, big, type EventArguments } from './events.ts';
import { claimCurrencies, type Fact, type Misfit, type NftMove } from './naive-facts.ts';

/** A row as text, by column; null is SQL's. */
export type Row = Readonly<Record<string, string | null>>;

/** What the platform itself wrote about a token: the id of a row that it made, and whether it listed the token. */
export type PlatformToken = { readonly id: string | undefined; readonly listed: boolean };
export type PlatformTokens = ReadonlyMap<string, PlatformToken>;

/** The key of a token in `PlatformTokens`, which its derived id is made of too. */
export function tokenKey(chainId: number, contract: string, tokenId: bigint | string): string {
  return `${chainId}:${contract}:${tokenId}`;
}

/** The id of a token's row: the platform's where it made the row, else one derived from the natural key. */
export function tokenRowId(key: string, tokens: PlatformTokens): string {
  return tokens.get(key)?.id ?? uuidOf(createHash('md5').update(`master_nfts:${key}`).digest('hex'));
}

/** What every table of facts says of a log. */
function originOf({ contract, log, block, position }: Fact): Row {
  return {
    chain_id: String(contract.chainId),
    block_number: String(log.raw.blockNumber),
    log_index: String(log.raw.logIndex),
    block_hash: log.raw.blockHash,
    tx_hash: log.raw.transactionHash,
    timestamp: String(block.header.timestamp),
    position: String(position),
  };
}

export function nftTransferRows(moves: readonly NftMove[], tokens: PlatformTokens): Row[] {
  return moves.map((move) => ({
    ...originOf(move),
    contract_address: move.contract.address,
    token_id: String(move.tokenId),
    master_nft_id: tokenRowId(tokenKey(move.contract.chainId, move.contract.address, move.tokenId), tokens),
    master_id: move.contract.masterId,
    from_wallet: move.from,
    to_wallet: move.to,
    transfer_type: move.type,
    sale_price_wei: move.price === null ? null : String(move.price),
    sale_currency: move.price === null ? null : ZERO_ADDRESS,
  }));
}

export function tokenTransferRows(facts: readonly Fact[]): Row[] {
  return facts
    .filter(({ contract }) => contract.kind === 'artist_token')
    .map((fact) => {
      const { args } = fact.log.body;
      return {
        ...originOf(fact),
        contract_address: fact.contract.address,
        artist_token_id: fact.contract.platformId,
        from_wallet: address(args, 'from'),
        to_wallet: address(args, 'to'),
        value: String(args.value),
      };
    });
}

export function poolEventRows(facts: readonly Fact[]): Row[] {
  return facts.flatMap((fact) => {
    const { args } = fact.log.body;
    const event = poolEventOf(fact, args);
    if (event === null) return [];
    const { contract } = fact;
    return [
      {
        ...originOf(fact),
        pool_address: contract.address,
        liquidity_pool_id: contract.platformId,
        artist_token_id: contract.artistTokenId,
        sender: address(args, 'sender'),
        ...event,
      },
    ];
  });
}

function poolEventOf({ event }: Fact, args: EventArguments): Row | null {
  const amounts = { amount0: String(args.amount0), amount1: String(args.amount1) };
  if (event === 'Mint') return { event_type: 'add_liquidity', ...amounts, recipient: null };
  if (event === 'Burn') return { event_type: 'remove_liquidity', ...amounts, recipient: address(args, 'to') };
  if (event !== 'Swap') return null;
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

export function dividendEventRows(facts: readonly Fact[]): Row[] {
  const currencies = claimCurrencies(facts);
  return facts.flatMap((fact) => {
    const type = DIVIDEND_EVENTS[fact.event];
    if (type === undefined) return [];
    const { args } = fact.log.body;
    const claims = type === 'claim';
    return [
      {
        ...originOf(fact),
        contract_address: fact.contract.address,
        dividend_contract_id: fact.contract.platformId,
        master_id: fact.contract.masterId,
        event_type: type,
        total_amount: String(args.amount),
        currency: claims ? (currencies.get(fact) ?? null) : address(args, 'token'),
        claimant_wallet: claims ? address(args, 'holder') : null,
        claimant_token_id: claims ? String(args.tokenId) : null,
        per_token_amount: type === 'distribution' ? String(args.perTokenAmount) : null,
      },
    ];
  });
}

/** Claims without the link to their token, which a stage makes. */
export function dividendClaimRows(facts: readonly Fact[]): Row[] {
  return [...claimCurrencies(facts)].map(([fact, currency]) => {
    const { args } = fact.log.body;
    const { gasUsed, gasPrice } = fact.log.transaction;
    return {
      ...originOf(fact),
      dividend_contract_id: fact.contract.platformId,
      master_id: fact.contract.masterId,
      wallet_address: address(args, 'holder'),
      token_id: String(args.tokenId),
      amount_claimed: String(args.amount),
      currency,
      gas_used: String(gasUsed),
      gas_price_wei: gasPrice === null ? null : String(gasPrice),
    };
  });
}

const WITHOUT_A_TABLE = ['Minted', 'TransferValidatorUpdated', 'DefaultRoyaltySet', 'TokenRoyaltySet', 'Sync'];

export function contractEventRows(facts: readonly Fact[]): Row[] {
  return facts
    .filter((fact) => WITHOUT_A_TABLE.includes(fact.event) || isLpTransfer(fact))
    .map((fact) => {
      const { args } = fact.log.body;
      const named = Object.entries(args).map(([name, value]): [string, string] => [name, String(value)]);
      named.sort(([a], [b]) => (a < b ? -1 : 1));
      return {
        ...originOf(fact),
        address: fact.contract.address,
        kind: fact.contract.kind,
        event: isLpTransfer(fact) ? 'Transfer' : fact.event,
        arguments: named.map(([name, value]) => `${name}=${value}`).join(' '),
      };
    });
}

/** A pool's own token moved. */
export function isLpTransfer({ contract, event }: Fact): boolean {
  return contract.kind === 'pool' && event === 'Transfer20';
}

export function deadLetterRows(misfits: readonly Misfit[]): Row[] {
  return misfits.map(({ contract, log }) => ({
    chain_id: String(contract.chainId),
    address: contract.address,
    block_number: String(log.raw.blockNumber),
    log_index: String(log.raw.logIndex),
    block_hash: log.raw.blockHash,
    tx_hash: log.raw.transactionHash,
    topics: log.raw.topics.join(','),
    data: log.raw.data,
  }));
}

function uuidOf(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
