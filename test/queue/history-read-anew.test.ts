import { expect, test } from 'vitest';
import { RpcFault } from '../kit/chain-rpc.ts';
import { database, serve } from '../kit/follow.ts';
import { announceAll, busyBlocks, MASTER, registerArtist } from '../kit/music.ts';
import { programWithout } from '../kit/older-program.ts';
import { Program } from '../kit/program.ts';
import { atHead, expectSettled, truthOf } from '../kit/settled.ts';
import { until } from '../kit/until.ts';
import { digestOf, longChain } from './scene.ts';

const BLOCKS = 600;

/** Registers all contracts of a chain in a new database and starts a program that follows them. */
async function follow(chain: ReturnType<typeof longChain>, url: string, main?: string) {
  const { url: databaseUrl, db } = await database();
  await announceAll(db, await registerArtist(db), chain);
  const env = { DATABASE_URL: databaseUrl, [`RPC_URL_${chain.chainId}`]: url };
  return { url: databaseUrl, db, env, program: new Program(['start'], env, main) };
}

test('a program that knows more events than its predecessor reads the history again while it follows the head', async () => {
  const chain = longChain(BLOCKS);
  const server = await serve(chain);
  const older = await programWithout('erc721c.v1.ts', ['Minted', 'DefaultRoyaltySet']);
  const { url, db, env, program } = await follow(chain, server.url, older);
  const gaps = async () => {
    const { rows } = await db.query(
      `select count(*)::int as count from indexer.contracts where not covered @> int8range(deployed_at_block, live_from)`,
    );
    return rows[0].count as number;
  };
  await until('the older program to be at the head', () => atHead(db, chain.chainId, chain.head.hash));
  await until('the older program to fill history', async () => (await gaps()) === 0);
  const known = `select count(*)::int as count from indexer.contract_events where event in ('Minted', 'DefaultRoyaltySet')`;
  expect((await db.query(known)).rows).toEqual([{ count: 0 }]);
  program.signal('SIGTERM');
  expect(await program.exited).toBe(0);

  // Reading is slow, so that the head can be seen to move meanwhile.
  const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 150 } });
  server.view.cap = ({ blocks }) => {
    if (blocks > 10) throw new RpcFault(-32000, 'block range too large, max is 10 blocks');
  };
  const newer = new Program(['start'], env);
  await until('the history to be read again', () => newer.said('reading contract history anew', MASTER).length > 0);
  chain.append(...busyBlocks(3)(2));
  await until('the head to move on', () => atHead(db, chain.chainId, chain.head.hash));
  const status = new Program(['status', '--json'], env);
  expect(await status.exited).toBe(0);
  expect(status.stdout).toMatch(/events added: .*(Minted|DefaultRoyaltySet)/);
  heal();
  server.view.cap = undefined;
  await expectSettled(db, truthOf(chain));

  const fresh = await follow(chain, server.url);
  await expectSettled(fresh.db, truthOf(chain));
  expect(await digestOf(url)).toEqual(await digestOf(fresh.url));
});
