import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { IndexerError } from '../../indexer/kernel/errors.ts';
import { Chain } from './chain.ts';
import { ChainServer } from './chain-server.ts';
import { freePort } from './free-port.ts';
import { announceAll, busyBlocks } from './music.ts';
import { insertArtist } from './platform-rows.ts';
import { areStagesAtHead } from './settle-stages.ts';
import { until } from './until.ts';

const SEED = 20_260_105;
const BLOCKS = 60;
const FINALIZED_BLOCKS = 40;

/** Returns the folder where Node keeps the compiled code of a built program. */
export function compileCacheOf(main: string): string {
  return join(dirname(main), 'compile-cache');
}

/**
 * Runs the daemon over a small chain and stops it, so that Node stores the compiled code of the functions that a daemon calls. Later
 * processes then need only two thirds of the CPU time to start. Node stores a file's code once, when the first process that loaded the
 * file exits by itself. Without this run, that process would be a short command, which compiles few functions. Each daemon would then
 * compile the other functions again.
 *
 * @param main the program's entry point
 * @param databaseUrl a migrated database, which is changed
 * @throws if the daemon does not follow the chain or fails
 */
export async function fillCompileCache(main: string, databaseUrl: string): Promise<void> {
  const chain = new Chain();
  chain.append(...busyBlocks(SEED)(BLOCKS));
  chain.finalized = FINALIZED_BLOCKS;
  const server = await ChainServer.start(chain);
  const db = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  const port = await freePort();
  try {
    await announceAll(db, await insertArtist(db), chain);
    const daemon = spawn(process.execPath, [main, 'start'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: compileCacheOf(main),
        LOG_LEVEL: 'debug',
        HTTP_PORT: String(port),
        DATABASE_URL: databaseUrl,
        [`RPC_URL_${chain.chainId}`]: server.url,
      },
    });
    const log = text(daemon.stderr);
    const exited = once(daemon, 'close');
    try {
      await until('the daemon to follow the chain', async () => {
        if (daemon.exitCode !== null) return true;
        const { rows } = await db.query('select from indexer.chains where head_number >= $1', [BLOCKS]);
        return rows.length > 0 && (await areStagesAtHead(db, [chain.chainId]));
      });
      const paths = daemon.exitCode === null ? ['ready', 'status', 'metrics'] : [];
      for (const path of paths) await (await fetch(`http://127.0.0.1:${port}/${path}`)).text();
    } finally {
      daemon.kill('SIGTERM');
      await exited;
    }
    if (daemon.exitCode !== 0) throw new IndexerError(`the daemon that fills the compile cache failed: ${await log}`);
  } finally {
    await db.end();
    await server.close();
  }
}
