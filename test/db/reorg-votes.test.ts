import { expect, test } from 'vitest';
import type { Database } from '../../indexer/db/database.ts';
import { ReorgWatch } from '../../indexer/follower/reorg-watch.ts';
import { commitStart } from '../../indexer/ingest/commit-head.ts';
import { unwindTo } from '../../indexer/ingest/unwind-to.ts';
import type { BlockRef } from '../../indexer/kernel/chain.ts';
import { createLogger } from '../../indexer/observability/log.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { busyChain, sourceFixture } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';
import { withOpenDatabase } from '../kit/with-database.ts';

const fixture = sourceFixture();
/** The only block in the database. It is final. */
const FINAL = 16;
const MINUTE_MS = 60_000;

/** Serves the chain, whose block `FINAL` is in the database, from `ours` endpoints. An endpoint before them has another block there. */
async function createScene(database: Database, ours: number) {
  const chain = busyChain(20);
  const fork = chain.fork(FINAL - 1);
  fork.mine(9);
  const other = await fixture.serve(fork);
  const servers: ChainServer[] = [other];
  for (let at = 0; at < ours; at++) servers.push(await fixture.serve(chain));
  let laterMs = 0;
  const urls = servers.map(({ url }) => url);
  const source = fixture.open(urls, {}, { now: () => performance.now() + laterMs });
  const start = (await source.witnesses(FINAL)).at(-1)?.header;
  if (start === undefined) throw new Error('the chain lacks the block');
  await commitStart(database, await readChain(database.kysely, chain.chainId), start, FINAL);
  const log = createLogger({ level: 'fatal', redact: (text) => text, sink: process.stdout, pretty: false });
  const watch = new ReorgWatch({ database, source, log }, { haltDepth: 64 });
  const remote = (await source.witnesses(fork.head.number)).find(({ header }) => header !== undefined)?.header;
  if (remote === undefined) throw new Error('no endpoint has the fork');
  return {
    chain,
    source,
    other,
    /** Observes the fork so often that a final block may be unwound. */
    async observe() {
      const state = await readChain(database.kysely, chain.chainId);
      const { signal } = new AbortController();
      for (let time = 0; time < 3; time++) await watch.investigate(state, remote, FINAL, signal);
      return readChain(database.kysely, chain.chainId);
    },
    later: (ms: number) => (laterMs += ms),
    status: () => source.endpointStates()[0]?.status,
  };
}

test('an endpoint that is outvoted at a final height is set aside, and comes back once the mirror gave its block up', async () => {
  await withOpenDatabase(async (database) => {
    const { chain, source, other, observe, later, status } = await createScene(database, 2);
    await observe();
    expect(status()).toBe('quarantined');
    const ask = async (ms: number) => {
      const before = other.requests;
      later(ms);
      await source.head();
      await until('the endpoint to be asked again', () => other.requests > before && other.waiting === 0);
    };
    await ask(MINUTE_MS);
    await source.witnesses(1);
    expect(status()).toBe('quarantined');
    const keep = chain.block(FINAL - 1) as BlockRef;
    await unwindTo(database, { chainId: chain.chainId, to: keep, reason: 'command' });
    await ask(2 * MINUTE_MS);
    await until('the endpoint to come back', () => status() === 'healthy');
  });
});

test('of two endpoints that disagree at a final height none is set aside and nothing is unwound', async () => {
  await withOpenDatabase(async (database) => {
    const { chain, source, observe } = await createScene(database, 1);
    expect((await observe()).head?.hash).toBe(chain.block(FINAL)?.hash);
    expect(source.endpointStates().map(({ status }) => status)).toEqual(['healthy', 'healthy']);
  });
});
