import { randomUUID } from 'node:crypto';
import { getAddress } from 'viem';
import type { Deployed, Platform } from './deploy.ts';
import { insertArtist, insertRow } from './platform-rows.ts';
import type { Queryable } from './queryable.ts';

/**
 * Inserts the rows of a platform's contracts, as the platform's backend does. Addresses are in checksum case, and some deployment
 * blocks are missing.
 */
export async function registerPlatform(db: Queryable, platform: Platform): Promise<void> {
  const { artistId, masterId } = await insertArtist(db, `demo-artist-${randomUUID().slice(0, 8)}`);
  const chain_id = String(platform.chainId);
  const masters = [
    { id: masterId, contract: platform.master, deployed_at_block: platform.master.block },
    { id: await insertMaster(db, artistId, 'Old Songs'), contract: platform.classicMaster, deployed_at_block: null },
    {
      id: await insertMaster(db, artistId, 'Long Player'),
      contract: platform.batchMaster,
      deployed_at_block: platform.batchMaster.block,
    },
  ];
  for (const { id: master_id, contract, deployed_at_block } of masters) {
    await insertRow(db, 'master_ipos', { master_id, total_supply: 10_000 });
    const contract_address = checksum(contract);
    await insertRow(db, 'master_contracts', { master_id, chain_id, contract_address, deployed_at_block });
  }
  await insertRow(db, 'dividend_contracts', {
    ...{ master_id: masterId, artist_id: artistId, distribution_model: 'per_master', chain_id },
    contract_address: checksum(platform.dividends),
    deployed_at_block: platform.dividends.block,
    linked_master_contract: checksum(platform.master),
  });
  const tokenId = await insertRow(db, 'artist_tokens', {
    ...{ artist_id: artistId, chain_id, name: '', symbol: '', total_supply: 0 },
    contract_address: checksum(platform.artistToken),
    deployed_at_block: platform.artistToken.block,
  });
  await insertRow(db, 'liquidity_pools', {
    ...{ artist_token_id: tokenId, chain_id, pool_address: checksum(platform.pair), pool_type: 'uniswap_v2' },
    token0_address: getAddress(platform.token0),
    token1_address: getAddress(platform.token1),
    created_at_block: null,
  });
}

async function insertMaster(db: Queryable, artistId: string, title: string): Promise<string> {
  return insertRow(db, 'masters', { artist_id: artistId, title });
}

function checksum({ address }: Deployed): string {
  return getAddress(address);
}
