import { sql } from 'kysely';
import { NULL_TEXT } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import { masterNftId, tokenPart } from '../../facts/ids.ts';
import type { Decimal, Origin } from '../../facts/origin.ts';
import { ORIGIN_DIGEST, originColumns, originText } from '../../facts/origin-columns.ts';
import { type Hex, ZERO_ADDRESS } from '../../kernel/chain.ts';

/** The type of a transfer: a mint comes from the zero address, a burn goes to it. */
export type TransferType = 'mint' | 'transfer' | 'burn';

/** A transfer of one token of a master (EIP-721 `Transfer`), or of several with consecutive ids (EIP-2309 `ConsecutiveTransfer`). */
export type NftTransfer = Origin & {
  /** The id of the token, or of the first of several tokens. */
  readonly tokenId: Decimal;
  /** The number of tokens. Default: one. Each token becomes a row. */
  readonly tokens?: number;
  readonly from: Hex;
  readonly to: Hex;
  readonly type: TransferType;
  /** The price of a mint in wei, from the contract's `Minted` event for the same token in the same transaction. Null if there is none. */
  readonly salePrice: Decimal | null;
  /** For a mint of several tokens: the prices in wei of those tokens that have a `Minted` event, by token id. */
  readonly salePrices?: ReadonlyMap<Decimal, Decimal>;
};

/** Mints, transfers and burns of a master's tokens. An EIP-2309 log is one row per token. */
export const nftTransfers: FactTable<NftTransfer> = {
  schema: 'public',
  name: 'nft_transfers',
  chainIdType: 'text',
  kind: 'master',
  key: ['chain_id', 'block_number', 'log_index', 'token_id'],
  columns: {
    ...originColumns('text'),
    master_nft_id: 'uuid',
    master_id: 'uuid',
    contract_address: 'text',
    token_id: 'numeric',
    from_wallet: 'text',
    to_wallet: 'text',
    transfer_type: 'transfer_type',
    sale_price_wei: 'numeric',
    sale_currency: 'text',
  },
  foldColumns: { addressColumn: 'contract_address', tagColumn: 'transfer_type' },
  defersConstraints: true,
  statistics: ['chain_id', 'block_number', 'log_index', 'token_id', 'contract_address', 'transfer_type'],
  readersIndexes: [
    'nft_transfers_block_number_idx',
    'nft_transfers_block_timestamp_idx',
    'nft_transfers_from_wallet_idx',
    'nft_transfers_marketplace_idx',
    'nft_transfers_master_id_idx',
    'nft_transfers_to_wallet_idx',
    'nft_transfers_transfer_type_idx',
    'nft_transfers_tx_log_idx',
  ],
  digest: {
    rows: 'nft_transfers where block_hash is not null',
    columns: [
      ...ORIGIN_DIGEST,
      'contract_address',
      'token_id',
      'from_wallet',
      'to_wallet',
      'transfer_type',
      'sale_price_wei',
      'sale_currency',
    ],
  },
  former: {
    isOfAny: (addresses) => sql`lower(contract_address) = any(${addresses}::text[])`,
    isOfContract: sql`master_id = (select master_id from master_contracts where id = contract.platform_id)`,
  },
  rowsOf: ({ chainId, address }) => sql`chain_id = ${String(chainId)} and contract_address = ${address}`,
  tagOf: ({ type }) => type,
  rowCount: ({ tokens = 1 }) => tokens,
  *lines(facts) {
    const origin = originText();
    for (const fact of facts) {
      const { chainId, address, masterId } = fact.contract;
      const { from, to, type } = fact;
      for (const tokenId of tokenIdsOf(fact)) {
        const token = `${masterNftId(chainId, address, tokenId)}\t${masterId ?? NULL_TEXT}\t${address}\t${tokenId}`;
        const price = fact.salePrice ?? fact.salePrices?.get(tokenId);
        const sale = price === undefined ? NO_SALE : `${price}\t${ZERO_ADDRESS}`;
        yield `${origin(fact, tokenPart(tokenId))}\t${token}\t${from}\t${to}\t${type}\t${sale}`;
      }
    }
  },
};

const NO_SALE = `${NULL_TEXT}\t${NULL_TEXT}`;

/** Yields the ids of the tokens that a transfer names, in ascending order. */
export function* tokenIdsOf({ tokenId, tokens = 1 }: Pick<NftTransfer, 'tokenId' | 'tokens'>): Iterable<Decimal> {
  if (tokens === 1) {
    yield tokenId;
    return;
  }
  const end = BigInt(tokenId) + BigInt(tokens);
  for (let id = BigInt(tokenId); id < end; id++) yield `${id}`;
}
