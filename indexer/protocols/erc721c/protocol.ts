import type { Protocol } from '../protocol.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { masterContradictions } from './contradictions.ts';
import { erc721cV1Events, priceMints } from './decoders.ts';
import { masterSupply } from './master-supply.ts';
import { mintOrder } from './mint-order.ts';
import { nftTokens } from './nft-tokens.ts';
import { nftTransfers } from './nft-transfers.ts';
import { royalty } from './royalty.ts';
import { masterContracts, masterIpos, masterNfts } from './state-tables.ts';

/** A master: an ERC-721C collection whose tokens are shares of a song. */
export const erc721cV1: Protocol = {
  name: 'erc721c',
  version: '1.0',
  kind: 'master',
  events: erc721cV1Events,
  finish: priceMints,
  factTables: [nftTransfers, contractEvents],
  stateTables: [masterNfts, masterContracts, masterIpos],
  folds: [nftTokens, mintOrder, masterSupply, royalty],
  contradictions: masterContradictions,
};
