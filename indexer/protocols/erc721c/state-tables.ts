import { typedStatement } from '../../db/step.ts';
import type { StateTable } from '../../facts/fact-table.ts';
import { expectedIpo, expectedMaster, expectedNfts, expectedSnapshots } from './expected-state.ts';
import { sumIpoSupply } from './ipo-supply.ts';

/** One row per token that a fact names, with its owner, its minter and the columns of the platform. */
export const masterNfts: StateTable = {
  schema: 'public',
  name: 'master_nfts',
  kind: 'master',
  statistics: ['chain_id', 'contract_address', 'token_id', 'master_contract_id'],
  readersIndexes: [
    'master_nfts_listing_status_idx',
    'master_nfts_master_id_idx',
    'master_nfts_minted_at_idx',
    'master_nfts_original_minter_idx',
    'master_nfts_owner_wallet_idx',
    'master_nfts_without_uri_idx',
  ],
  digest: {
    // Rows without `last_position` belong to tokens without facts. The platform inserted them, or wrote columns of its own into them.
    rows: 'master_nfts where last_position is not null',
    columns: [
      'chain_id',
      'contract_address',
      'token_id',
      'current_owner_wallet',
      'original_minter_wallet',
      'is_first_minter',
      'is_second_minter',
      'is_third_minter',
      'mint_tx_hash',
      'minted_at_block',
      'minted_at',
      'mint_price_wei',
      'mint_count',
      'last_position',
      'first_mint_position',
      'coalesce(total_dividends_received, 0)',
      'last_dividend_claimed_at',
    ],
  },
  expected: expectedNfts,
  reset: (contracts) => [
    {
      statement: typedStatement((db) =>
        db
          .updateTable('master_nfts')
          .set({
            mint_count: 0,
            last_position: null,
            first_mint_position: null,
            is_first_minter: false,
            is_second_minter: false,
            is_third_minter: false,
            total_dividends_received: 0,
            last_dividend_claimed_at: null,
            dividends_block: null,
          })
          .where('master_contract_id', 'in', contracts),
      ),
    },
  ],
  deleteRows: ({ platformId }) => [
    typedStatement((db) =>
      db
        .updateTable('dividend_claims')
        .set({ master_nft_id: null })
        .where('master_nft_id', 'in', ({ selectFrom }) =>
          selectFrom('master_nfts').select('id').where('master_contract_id', '=', platformId),
        ),
    ),
    typedStatement((db) => db.deleteFrom('master_nfts').where('master_contract_id', '=', platformId)),
  ],
};

/**
 * Snapshots of the owners of a master's tokens, each as of a block and log index. The stage `snapshots` writes these rows. Rows without a
 * log index belong to the platform.
 */
export const ownershipSnapshots: StateTable = {
  schema: 'public',
  name: 'nft_ownership_snapshots',
  kind: 'master',
  statistics: ['chain_id', 'contract_address', 'snapshot_block_number', 'snapshot_log_index'],
  readersIndexes: [],
  digest: {
    rows: 'nft_ownership_snapshots where snapshot_log_index is not null',
    columns: [
      'chain_id',
      'contract_address',
      'snapshot_block_number',
      'snapshot_log_index',
      'snapshot_reason',
      'token_id',
      'owner_wallet',
      'snapshot_timestamp',
    ],
  },
  expected: expectedSnapshots,
  deleteRows: ({ chainId, address }) => [
    typedStatement((db) =>
      db
        .deleteFrom('nft_ownership_snapshots')
        .where('chain_id', '=', String(chainId))
        .where('contract_address', '=', address),
    ),
  ],
};

/**
 * The platform's rows of master contracts, with supplies, royalty and first minters. The program never writes `contract_total_supply` and
 * `contract_royalty_bps`, which the platform configures.
 */
export const masterContracts: StateTable = {
  schema: 'public',
  name: 'master_contracts',
  kind: 'master',
  isPlatformRow: true,
  lockOrder: 'contract_address',
  statistics: [],
  readersIndexes: [],
  digest: {
    rows: 'master_contracts',
    columns: [
      'chain_id',
      'contract_address',
      'current_supply',
      'minted_supply',
      'default_royalty_bps',
      'first_minter_wallet',
      'second_minter_wallet',
      'third_minter_wallet',
    ],
  },
  expected: expectedMaster,
  reset: (contracts) => [
    {
      statement: typedStatement((db) =>
        db
          .updateTable('master_contracts')
          .set({
            current_supply: 0,
            minted_supply: 0,
            default_royalty_bps: null,
            royalty_position: null,
            first_minter_wallet: null,
            second_minter_wallet: null,
            third_minter_wallet: null,
            third_mint_position: null,
          })
          .where('id', 'in', contracts),
      ),
    },
  ],
};

/** The platform's rows of IPOs, with the number of tokens that all master contracts with the `master_id` of the IPO minted. */
export const masterIpos: StateTable = {
  schema: 'public',
  name: 'master_ipos',
  kind: 'master',
  statistics: [],
  readersIndexes: [],
  digest: {
    rows: `(
      select minted_supply, (
        select string_agg(chain_id || ':' || contract_address, ',' order by chain_id, contract_address)
        from master_contracts where master_id = ipo.master_id
      ) as contracts
      from master_ipos ipo
    ) ipo where contracts is not null`,
    columns: ['contracts', 'minted_supply'],
  },
  expected: expectedIpo,
  reset: (contracts) =>
    sumIpoSupply(
      typedStatement((db) => db.selectFrom('master_contracts').select('master_id').where('id', 'in', contracts)),
    ),
};
