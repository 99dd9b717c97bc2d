import type { Protocol } from '../protocol.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { findOtherStandard, saysErc721 } from '../shared/standards.ts';
import { masterContradictions } from './contradictions.ts';
import { erc721cV1Events, priceMints } from './decoders.ts';
import { masterSupply } from './master-supply.ts';
import { mintOrder } from './mint-order.ts';
import { nftTokens } from './nft-tokens.ts';
import { nftTransfers } from './nft-transfers.ts';
import { royalty } from './royalty.ts';
import { masterContracts, masterIpos, masterNfts, ownershipSnapshots } from './state-tables.ts';
import { masterVerification } from './verification.ts';

/** A master: an ERC-721C collection whose tokens are shares of a song. */
export const erc721cV1: Protocol = {
  name: 'erc721c',
  version: '1.0',
  kind: 'master',
  events: erc721cV1Events,
  finish: priceMints,
  factTables: [nftTransfers, contractEvents],
  stateTables: [masterNfts, masterContracts, masterIpos, ownershipSnapshots],
  folds: [nftTokens, mintOrder, masterSupply, royalty],
  identify: async (reader, address, signal) => {
    if (await saysErc721(reader, address, signal)) return { columns: {}, speaks: true, note: null };
    const other = await findOtherStandard(reader, address, ['erc1155', 'erc20', 'uniswapV3'], signal);
    if (other === null) return { columns: {}, speaks: null, note: 'does not say by ERC-165 that it speaks ERC-721' };
    return { columns: {}, speaks: false, note: `${other.name} instead of ERC-721` };
  },
  contradictions: masterContradictions,
  verification: masterVerification,
};
