import { getAbiItem } from 'viem/utils';
import { erc721cV1 } from '../../../abis/erc721c.v1.ts';
import type { FactLists } from '../../facts/fact-lists.ts';
import type { Origin } from '../../facts/origin.ts';
import { type Contract, type Hex, type RawLog, ZERO_ADDRESS } from '../../kernel/chain.ts';
import { administrativeDecoders } from '../shared/administration.ts';
import { contractEventDecoder, contractEvents } from '../shared/contract-events.ts';
import { type Decoder, eventDecoders, perRange, type Sink } from '../shared/decoder.ts';
import { decodeStrict } from '../shared/strict-event.ts';
import { dataUint, topicAddress, topicUint } from '../shared/words.ts';
import { type NftTransfer, nftTransfers, type TransferType, tokenIdsOf } from './nft-transfers.ts';

/**
 * The maximum number of tokens in all EIP-2309 `ConsecutiveTransfer` logs of one contract in one block. Each token becomes a row, so the
 * limit bounds the duration of a commit. No real collection is larger, and fact ids can distinguish this many tokens of one log.
 */
export const CONSECUTIVE_TRANSFER_TOKENS_MAX = 1_000_000;

const consecutiveTransferEvent = getAbiItem({ abi: erc721cV1, name: 'ConsecutiveTransfer' });

const transfer: Decoder = ({ contract, log, timestamp }, sink) => {
  const from = topicAddress(log.topics[1]);
  const to = topicAddress(log.topics[2]);
  if (from === null || to === null) return false;
  const tokenId = topicUint(log.topics[3]);
  const type = transferType(from, to);
  sink.facts.of(nftTransfers).push({ contract, log, timestamp, tokenId, from, to, type, salePrice: null });
  return true;
};

const minted: Decoder = ({ contract, log, timestamp }, sink) => {
  const minter = topicAddress(log.topics[1]);
  if (minter === null) return false;
  const args = { minter, tokenId: topicUint(log.topics[2]), price: dataUint(log.data, 0) };
  sink.facts.of(contractEvents).push({ contract, log, timestamp, event: 'Minted', arguments: args });
  return true;
};

const consecutiveTransfer: Decoder = (origin, sink) => {
  const args = decodeStrict(consecutiveTransferEvent, origin.log);
  if (args === null) return false;
  const first = BigInt(args.fromTokenId);
  const last = BigInt(args.toTokenId);
  if (first > last) return false;
  const fault = tokenLimitFault(origin, last - first + 1n, sink);
  if (fault !== null) {
    sink.quarantined.push({ contract: origin.contract, blockNumber: origin.log.blockNumber, reason: fault });
    return true;
  }
  const from = args.fromAddress;
  const to = args.toAddress;
  const type = transferType(from, to);
  const tokens = Number(last - first + 1n);
  sink.facts.of(nftTransfers).push({ ...origin, tokenId: `${first}`, tokens, from, to, type, salePrice: null });
  return true;
};

/** The decoders of a master's events, ABI version 1.0. */
export const erc721cV1Events = eventDecoders(
  erc721cV1,
  {
    Transfer: transfer,
    ConsecutiveTransfer: consecutiveTransfer,
    Minted: minted,
    TransferValidatorUpdated: contractEventDecoder(getAbiItem({ abi: erc721cV1, name: 'TransferValidatorUpdated' })),
    DefaultRoyaltySet: contractEventDecoder(getAbiItem({ abi: erc721cV1, name: 'DefaultRoyaltySet' })),
    TokenRoyaltySet: contractEventDecoder(getAbiItem({ abi: erc721cV1, name: 'TokenRoyaltySet' })),
    MetadataUpdate: contractEventDecoder(getAbiItem({ abi: erc721cV1, name: 'MetadataUpdate' })),
    BatchMetadataUpdate: contractEventDecoder(getAbiItem({ abi: erc721cV1, name: 'BatchMetadataUpdate' })),
    ...administrativeDecoders,
  },
  { ConsecutiveTransfer: { factsOf: countTokens } },
);

/**
 * Sets the price of each mint from the contract's `Minted` event for the same token in the same transaction.
 *
 * If a token is minted, burnt and minted again in one transaction, its mints get its prices in the order of the logs. If it has more mints
 * than prices, the remaining mints get its last price.
 */
export function priceMints(facts: FactLists): void {
  /** The prices of each token, by transaction and contract. */
  const prices = new Map<string, Map<string, string[]>>();
  for (const fact of facts.of(contractEvents)) {
    const { tokenId, price } = fact.arguments;
    if (fact.event !== 'Minted' || typeof tokenId !== 'string' || typeof price !== 'string') continue;
    const ofTransaction = prices.get(saleKey(fact)) ?? new Map<string, string[]>();
    prices.set(saleKey(fact), ofTransaction);
    const known = ofTransaction.get(tokenId);
    if (known === undefined) ofTransaction.set(tokenId, [price]);
    else known.push(price);
  }
  if (prices.size === 0) return;
  const transfers = facts.of(nftTransfers);
  for (const [index, fact] of transfers.entries()) {
    const known = fact.type === 'mint' ? prices.get(saleKey(fact)) : undefined;
    if (known !== undefined) transfers[index] = withPrices(fact, known);
  }
}

/** Returns a copy of a mint with the next price of each token. Removes this price from `prices`, unless it is the last one of the token. */
function withPrices(fact: NftTransfer, prices: ReadonlyMap<string, string[]>): NftTransfer {
  const take = (tokenId: string) => {
    const known = prices.get(tokenId) ?? [];
    return known.length > 1 ? known.shift() : known[0];
  };
  const { tokenId: first, tokens = 1 } = fact;
  if (tokens === 1) return { ...fact, salePrice: take(first) ?? null };
  const [from, end] = [BigInt(first), BigInt(first) + BigInt(tokens)];
  // Loop over the tokens or over the prices, whichever are fewer, so that neither a large batch nor many events make this slow.
  const candidates = tokens < prices.size ? tokenIdsOf(fact) : prices.keys();
  const salePrices = new Map<string, string>();
  for (const tokenId of candidates) {
    const isOwn = BigInt(tokenId) >= from && BigInt(tokenId) < end;
    const price = isOwn ? take(tokenId) : undefined;
    if (price !== undefined) salePrices.set(tokenId, price);
  }
  return { ...fact, salePrices };
}

function saleKey({ contract, log }: Origin): string {
  return `${log.transactionHash}:${contract.address}`;
}

function transferType(from: Hex, to: Hex): TransferType {
  if (from === to) return 'transfer'; // Includes transfers from zero to zero, which neither mint nor burn.
  if (from === ZERO_ADDRESS) return 'mint';
  return to === ZERO_ADDRESS ? 'burn' : 'transfer';
}

/** Adds a log's tokens to the count of its contract and block. Returns a reason for quarantine if the sum exceeds the limit, else null. */
function tokenLimitFault({ contract, log }: Origin, tokens: bigint, sink: Sink): string | null {
  const tokenCounts = perRange(sink, newTokenCounts);
  const known = tokenCounts.get(contract);
  const inBlock = (known?.blockNumber === log.blockNumber ? known.tokens : 0n) + tokens;
  tokenCounts.set(contract, { blockNumber: log.blockNumber, tokens: inBlock });
  if (inBlock <= BigInt(CONSECUTIVE_TRANSFER_TOKENS_MAX)) return null;
  return `ConsecutiveTransfer of ${inBlock} tokens in one block; at most ${CONSECUTIVE_TRANSFER_TOKENS_MAX} are followed`;
}

/** Returns an empty map, to count for each contract the tokens of all `ConsecutiveTransfer` logs in the latest block with such logs. */
function newTokenCounts(): Map<Contract, { readonly blockNumber: number; readonly tokens: bigint }> {
  return new Map();
}

/** Returns the number of tokens in a `ConsecutiveTransfer` log. Returns 1 if the log is malformed or the number exceeds the limit. */
function countTokens({ topics, data }: RawLog): number {
  if (data.length !== 66 || topics[1] === undefined) return 1;
  const tokens = BigInt(data) - BigInt(topics[1]) + 1n;
  return tokens < 1n || tokens > BigInt(CONSECUTIVE_TRANSFER_TOKENS_MAX) ? 1 : Number(tokens);
}
