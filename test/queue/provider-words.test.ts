import { expect, test } from 'vitest';
import { RpcFault } from '../kit/chain-rpc.ts';
import { announceAll } from '../kit/music.ts';
import { insertArtist } from '../kit/platform-rows.ts';
import { Program } from '../kit/program.ts';
import { PROVIDER_CAPS } from '../kit/provider-words.ts';
import { busyChain, database, serve } from '../kit/scene.ts';
import { expectSettled, liveChainOf } from '../kit/settled.ts';

const BLOCKS = 150;
const BLOCKS_MAX = 20;
/** Fewer logs than some single blocks hold. Those blocks are read through their receipts. */
const LOGS_MAX = 4;
/** The number of chains of one daemon. */
const GROUP_CHAINS = 12;

const groups = Array.from({ length: Math.ceil(PROVIDER_CAPS.length / GROUP_CHAINS) }, (_, at) =>
  PROVIDER_CAPS.slice(at * GROUP_CHAINS, (at + 1) * GROUP_CHAINS),
);

test.each(groups.map((caps) => ({ caps, providers: caps.map(({ name }) => name).join(', ') })))(
  'history is filled from nodes that refuse in the words of $providers',
  async ({ caps }) => {
    const { url, db } = await database();
    const artist = await insertArtist(db);
    const chains = caps.map((_, at) => busyChain(BLOCKS, BLOCKS - 5, 300 + at));
    const refused = new Map<string, number>();
    const env: Record<string, string | undefined> = { DATABASE_URL: url };
    for (const [at, chain] of chains.entries()) {
      const { name, cap, code, text } = caps[at] as (typeof caps)[number];
      const server = await serve(chain);
      const limit = cap === 'blocks' ? BLOCKS_MAX : LOGS_MAX;
      server.view.cap = (asked) => {
        if ((cap === 'blocks' ? asked.blocks : asked.results) <= limit) return;
        refused.set(name, (refused.get(name) ?? 0) + 1);
        throw new RpcFault(code, text(asked, limit));
      };
      env[`RPC_URL_${chain.chainId}`] = server.url;
      await announceAll(db, artist, chain);
    }
    const daemon = new Program(['start'], env);
    for (const chain of chains) await expectSettled(db, liveChainOf(chain));
    expect([...refused.keys()].sort()).toEqual(caps.map(({ name }) => name).sort());
    expect(daemon.isRunning).toBe(true);
    const { rows } = await db.query("select reason from indexer.dead_letters where kind = 'job'");
    expect(rows).toEqual([]);
  },
);
