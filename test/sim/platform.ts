import type pg from 'pg';
import { getAddress } from 'viem';
import { type PlatformToken, tokenKey } from '../kit/oracle/fact-rows.ts';
import type { Revenue } from '../kit/oracle/revenue.ts';
import type { PlatformState } from './check.ts';
import type { Random } from './random.ts';
import { rowId, type SimContract, type SimWorld } from './world.ts';

/** The platform: inserts contracts, tokens, listings and IPOs into the database, and remembers what it wrote. */
export class Platform implements PlatformState {
  readonly announced = new Set<SimContract>();
  readonly tokens = new Map<string, PlatformToken>();
  readonly ipos = new Set<string>();
  readonly revenues: Revenue[] = [];
  readonly links = new Map<SimContract, Map<string, boolean>>();
  readonly #pool: pg.Pool;
  readonly #world: SimWorld;
  #rows = 0;

  constructor(pool: pg.Pool, world: SimWorld) {
    this.#pool = pool;
    this.#world = world;
  }

  /** Inserts the users, artists and masters that contracts refer to. */
  async open(): Promise<void> {
    const users = new Map(this.#world.masters.map(({ artistId, userId }) => [artistId, userId]));
    for (const [artistId, userId] of users) {
      await this.#insert('users', { id: userId, email: `${userId}@example.com`, display_name: 'artist' });
      await this.#insert('artists', { id: artistId, user_id: userId, artist_name: 'artist', slug: artistId });
    }
    for (const { id, artistId } of this.#world.masters) {
      await this.#insert('masters', { id, artist_id: artistId, title: 'song' });
    }
  }

  /** Inserts a contract's row, in checksum case or lower case, with or without its deployment block. */
  async announce(contract: SimContract, random: Random): Promise<void> {
    // A pool's row refers to the row of its token.
    const token = this.#world.contracts.find(
      ({ platformId, kind }) =>
        contract.kind === 'pool' && kind === 'artist_token' && platformId === contract.artistTokenId,
    );
    if (token !== undefined && !this.announced.has(token)) await this.announce(token, random);
    const block = random.percent(80) ? contract.deployedAt : null;
    const address = random.percent(50) ? getAddress(contract.address) : contract.address;
    const row = { id: contract.platformId, chain_id: String(contract.chainId) };
    const deployed = { ...row, contract_address: address, deployed_at_block: block };
    switch (contract.kind) {
      case 'master':
        await this.#insert('master_contracts', { ...deployed, master_id: contract.masterId });
        break;
      case 'artist_token':
        await this.#insert('artist_tokens', { ...deployed, artist_id: contract.artistId, name: '', symbol: '' });
        break;
      case 'dividend': {
        const { masterId: master_id, artistId: artist_id, linkedMaster: linked_master_contract } = contract;
        const distribution_model = contract.model ?? 'per_master';
        const owner = { master_id, artist_id, linked_master_contract, distribution_model };
        await this.#insert('dividend_contracts', { ...deployed, ...owner });
        // The platform has no column for the ABI version. An operator chooses the version before the contract is followed.
        await this.#pool.query('update indexer.contracts set abi_version = $1 where platform_id = $2', [
          contract.abiVersion ?? '1.0',
          contract.platformId,
        ]);
        break;
      }
      case 'pool':
        await this.#insert('liquidity_pools', {
          ...row,
          artist_token_id: contract.artistTokenId,
          pool_address: address,
          created_at_block: block,
          pool_type: random.pick(['uniswap_v2', 'sushiswap']),
          token0_address: address,
          token1_address: address,
        });
    }
    this.announced.add(contract);
  }

  async openIpo(masterId: string): Promise<void> {
    this.ipos.add(masterId);
    await this.#insert('master_ipos', { id: this.#nextId(), master_id: masterId, total_supply: 10 });
  }

  /** Inserts a revenue row that names the transaction of a deposit, with the hash in lower or upper case. */
  async insertRevenue({ platformId }: SimContract, hash: string, amount: string, random: Random): Promise<void> {
    const id = this.#nextId();
    const transaction = random.percent(50) ? hash : `0x${hash.slice(2).toUpperCase()}`;
    this.revenues.push({ id, contractId: platformId, transaction, amount });
    const deposit = { deposited_to_contract_id: platformId, deposit_tx_hash: transaction };
    const created_at = new Date(1_700_000_000_000 + this.revenues.length * 1_000);
    const row = {
      id,
      master_id: this.#world.masters[0]?.id,
      source_type: 'manual',
      currency: 'ETH',
      amount,
      created_at,
    };
    await this.#insert('revenue_events', { ...row, ...deposit });
  }

  /** Remembers that an operator linked a master to a dividend contract, or unlinked it. */
  link(dividend: SimContract, master: SimContract, serves: boolean): void {
    const links = this.links.get(dividend) ?? new Map<string, boolean>();
    this.links.set(dividend, links.set(master.address, serves));
  }

  /** Inserts a token's row before its first fact, unless it exists. */
  async insertToken({ chainId, address, platformId, masterId }: SimContract, tokenId: bigint): Promise<void> {
    const id = this.#nextId();
    const nobody = '0x0000000000000000000000000000000000000000';
    const { rowCount } = await this.#pool.query(
      `insert into master_nfts (id, master_id, master_contract_id, token_id, chain_id, contract_address, current_owner_wallet,
        original_minter_wallet) values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict do nothing`,
      [id, masterId, platformId, String(tokenId), String(chainId), address, nobody],
    );
    if (rowCount === 1) this.tokens.set(tokenKey(chainId, address, tokenId), { id, listed: false });
  }

  /** Lists a token for sale if its row exists. A listed row stays when its facts are unwound. */
  async listToken({ chainId, address }: SimContract, tokenId: bigint): Promise<void> {
    const { rowCount } = await this.#pool.query(
      `update master_nfts set listing_status = 'listed', listing_price_wei = 5
       where chain_id = $1 and contract_address = $2 and token_id = $3`,
      [String(chainId), address, String(tokenId)],
    );
    const key = tokenKey(chainId, address, tokenId);
    if (rowCount === 1) this.tokens.set(key, { id: this.tokens.get(key)?.id, listed: true });
  }

  /** Forgets the tokens of a contract that was purged. */
  forget({ chainId, address }: SimContract): void {
    const prefix = tokenKey(chainId, address, '');
    for (const key of this.tokens.keys()) if (key.startsWith(prefix)) this.tokens.delete(key);
  }

  #nextId(): string {
    this.#rows++;
    return rowId(this.#world.seed, 'e', this.#rows);
  }

  async #insert(table: string, values: Readonly<Record<string, unknown>>): Promise<void> {
    const names = Object.keys(values);
    const places = names.map((_, index) => `$${index + 1}`);
    await this.#pool.query(
      `insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`,
      Object.values(values),
    );
  }
}
