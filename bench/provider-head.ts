import { setTimeout as wait } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { missingBlocks } from '../indexer/progress/contract-coverage.ts';
import { proofProgress } from '../indexer/progress/proof.ts';
import type { Chain } from './chain.ts';
import { checkDatabase } from './check.ts';
import { computeUnits } from './compute-units.ts';
import { withContracts } from './contracts.ts';
import { untilHead } from './following.ts';
import { startIndexing, withSettings } from './indexing-process.ts';
import { type Counts, callsBetween, type Provider, startProvider } from './provider.ts';
import { type Server, withDatabase } from './server.ts';
import { CHAIN_ID, environment, quietOptions, type World } from './world.ts';

/** How the daemon learns of blocks: from a subscription over WebSocket, or by polling over HTTP. */
export type Heads = 'announced' | 'polled';

/** The usage of a provider while the indexer follows blocks without logs of followed contracts. */
export type HeadResult = {
  readonly heads: Heads;
  readonly contracts: number;
  readonly blocks: number;
  readonly seconds: number;
  /** All calls while these blocks were followed, including calls that are made at intervals. */
  readonly calls: Counts['calls'];
  readonly requests: number;
  readonly computeUnits: number;
  /** All calls after that until these blocks were final and proved, including the calls for one more block. */
  readonly callsOfProof: Counts['calls'];
};

/** Final blocks whose history is filled and proved first, so that calls that a process makes once for a chain do not count. */
const BLOCKS_BEFORE = 100;
const WARM_UP_BLOCKS = 3;
const BLOCKS = 50;
const BLOCK_INTERVAL_MS = 1_000;
/** Twice per block, so that each block is found before the next one. */
const POLL_INTERVAL_MS = 500;
const FINALIZED_INTERVAL_MS = 3_000;
const PROVED_POLL_MS = 200;
const PROVED_TIMEOUT_MS = 120_000;
/** The daemon's settings. The daily verification is turned off, because its calls would count too. */
const SETTINGS = { pollIntervalMs: POLL_INTERVAL_MS, verifyIntervalHours: 0 };

/**
 * Follows blocks that hold only logs of other contracts, one at a time and none of them final. Then proves these blocks. The provider does
 * not limit calls per second, because the head needs few.
 */
export async function measureHead(server: Server, world: World, heads: Heads, count: number): Promise<HeadResult> {
  const blocks = BLOCKS_BEFORE + WARM_UP_BLOCKS + BLOCKS + 1;
  const plan = { server, world, database: `head_${heads}`, count };
  return withContracts(plan, quietOptions(blocks), async ({ url, chain, contracts }) => {
    const provider = await startProvider(chain, { blockTimestamp: true, burst: undefined });
    try {
      await chain.moveTo(BLOCKS_BEFORE, BLOCKS_BEFORE);
      const rpcUrl = heads === 'announced' ? provider.wsUrl : provider.httpUrl;
      const result = await withSettings(SETTINGS, async (file) => {
        const env = { ...environment(url, rpcUrl), HTTP_PORT: '0' };
        const daemon = startIndexing(['start', '--config', file], env);
        try {
          return await follow(url, chain, provider);
        } finally {
          await daemon.stop();
        }
      });
      await checkDatabase(url, await chain.expectedAfter(blocks));
      return { heads, contracts: contracts.length, ...result };
    } finally {
      await provider.stop();
    }
  });
}

async function follow(url: string, chain: Chain, provider: Provider): Promise<Omit<HeadResult, 'heads' | 'contracts'>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await untilHead(client, BLOCKS_BEFORE);
    await untilProved(url, BLOCKS_BEFORE);
    const first = BLOCKS_BEFORE + WARM_UP_BLOCKS + 1;
    const last = first + BLOCKS - 1;
    for (let block = BLOCKS_BEFORE + 1; block < first; block++) await announce(client, chain, block);
    const before = await provider.counts();
    const startedAt = performance.now();
    for (let block = first; block <= last; block++) await announce(client, chain, block);
    const seconds = (performance.now() - startedAt) / 1_000;
    const followed = await provider.counts();
    // The daemon asks for the finalized block only when it follows a block, and not again within two seconds.
    await wait(FINALIZED_INTERVAL_MS);
    await chain.moveTo(last + 1, last);
    await untilHead(client, last + 1);
    await untilProved(url, last);
    const proved = await provider.counts();
    const calls = callsBetween(before, followed);
    return {
      blocks: BLOCKS,
      seconds,
      calls,
      requests: followed.requests - before.requests,
      computeUnits: computeUnits(calls, followed.announcedBytes - before.announcedBytes),
      callsOfProof: callsBetween(followed, proved),
    };
  } finally {
    await client.end();
  }
}

/** Announces a block. Waits until the block can be read and the next block is due. */
async function announce(client: pg.Client, chain: Chain, block: number): Promise<void> {
  const due = wait(BLOCK_INTERVAL_MS);
  await chain.moveTo(block, BLOCKS_BEFORE);
  await untilHead(client, block);
  await due;
}

/** Waits until all blocks up to `to` are covered and proved. */
async function untilProved(url: string, to: number): Promise<void> {
  const scope = { chainId: CHAIN_ID, from: 1, to, contracts: null };
  await withDatabase(url, async ({ kysely }) => {
    for (const startedAt = performance.now(); performance.now() - startedAt < PROVED_TIMEOUT_MS; ) {
      const { rows } = await sql<{ missing: boolean }>`
        select bool_or(not isempty(${missingBlocks(to, 1)})) as missing from indexer.contracts where chain_id = ${CHAIN_ID}
      `.execute(kysely);
      if (rows[0]?.missing === false && (await proofProgress(kysely, scope)).blocksLeft === 0) return;
      await wait(PROVED_POLL_MS);
    }
    throw new Error(`blocks up to ${to} were not proved in ${PROVED_TIMEOUT_MS} ms`);
  });
}
