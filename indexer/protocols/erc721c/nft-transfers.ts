import { NULL_TEXT } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import { masterNftId } from '../../facts/ids.ts';
import { originColumns, originText } from '../../facts/origin-columns.ts';

const NAME = 'nft_transfers';

/** Mints, transfers and burns of a master's tokens; an EIP-2309 log is one fact per token. */
export const nftTransfers: FactTable = {
  list: 'nftTransfers',
  schema: 'public',
  name: NAME,
  chainIdType: 'text',
  addressColumn: 'contract_address',
  positionColumn: 'position',
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
  tagsOf: ({ nftTransfers }) => new Set(nftTransfers.map(({ type }) => type)),
  *lines({ nftTransfers: facts }) {
    const origin = originText(NAME);
    for (const fact of facts) {
      const { chainId, address, masterId } = fact.contract;
      const { tokenId, from, to, type } = fact;
      const token = `${masterNftId(chainId, address, tokenId)}\t${masterId ?? NULL_TEXT}\t${address}\t${tokenId}`;
      const sale = `${fact.salePrice ?? NULL_TEXT}\t${fact.saleCurrency ?? NULL_TEXT}`;
      yield `${origin(fact, tokenId)}\t${token}\t${from}\t${to}\t${type}\t${sale}`;
    }
  },
};
