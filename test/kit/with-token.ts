import type pg from 'pg';
import type { Database } from '../../indexer/db/database.ts';
import { followedContracts } from '../../indexer/follower/followed-contracts.ts';
import { commitStart } from '../../indexer/ingest/commit-head.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import type { RegisteredContract } from '../../indexer/registry/contracts.ts';
import { addressOf, headerOf } from './event-logs.ts';
import { insertArtist, insertRow } from './platform-rows.ts';
import { withOpenDatabase } from './with-database.ts';

/** The address of the artist token that `withToken` creates. */
export const TOKEN_ADDRESS = addressOf(0xa);

/** Runs `act` on a token that was deployed at block 5. The chain's head is block 10, and no history is filled. */
export async function withToken(act: (database: Database, db: pg.Pool, contract: RegisteredContract) => Promise<void>) {
  await withOpenDatabase(async (open, db) => {
    const { artistId } = await insertArtist(db);
    await insertRow(db, 'artist_tokens', {
      artist_id: artistId,
      chain_id: '1',
      contract_address: TOKEN_ADDRESS,
      name: 'T',
      symbol: 'T',
      total_supply: 0,
      deployed_at_block: 5,
    });
    await commitStart(open, await readChain(open.kysely, 1), headerOf(10), 10);
    const [contract] = (await followedContracts(open, 1)).contracts;
    await act(open, db, contract as RegisteredContract);
  });
}
