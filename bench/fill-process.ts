import { Filler } from '../indexer/backfill/filler.ts';
import { openDatabase } from '../indexer/db/database.ts';
import { followedContracts } from '../indexer/follower/followed-contracts.ts';
import { commitStart } from '../indexer/ingest/commit-head.ts';
import { createLogger } from '../indexer/observability/log.ts';
import { createRedact } from '../indexer/observability/redact.ts';
import { readChain } from '../indexer/progress/chains.ts';
import { createSource } from '../indexer/source/source.ts';
import { CHAIN_ID } from './world.ts';

/** Fills everything up to the newest block, as the daemon does, and ends. Arguments: database URL, endpoint. */
const [databaseUrl = '', rpcUrl = ''] = process.argv.slice(2);
const log = createLogger({ level: 'warn', redact: createRedact([databaseUrl]), sink: process.stderr, pretty: false });
const database = openDatabase({ url: databaseUrl, maxConnections: 4 });
const source = createSource({ chainId: CHAIN_ID, urls: [rpcUrl] });
try {
  const { signal } = new AbortController();
  const head = await source.head(signal);
  const chain = await readChain(database.kysely, CHAIN_ID);
  if (chain.head === undefined) await commitStart(database, chain, head, await source.finalized(signal));
  const filler = new Filler({
    chainId: CHAIN_ID,
    database,
    source,
    log,
    loadContracts: async () => (await followedContracts(database, CHAIN_ID)).backfillable,
  });
  await filler.fillAll(signal);
} finally {
  source.close();
  await database.close();
}
