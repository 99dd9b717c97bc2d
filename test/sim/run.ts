import { parseArgs } from 'node:util';
import { openDatabase } from '../../indexer/db/database.ts';
import { migrateUp } from '../../indexer/db/migrate.ts';
import { startPostgres } from '../kit/postgres-server.ts';
import type { DriveOptions, Tally } from './drive-context.ts';
import { SERVER_SETTINGS } from './server-settings.ts';
import { simulate } from './simulate.ts';

const HELP = `Runs seeded histories against the program's own code and compares every table with an independent computation.

  npm run sim -- [--seed S] [--histories N] [--lies inline|background] [--keep-going]

  --seed S        the first seed; default: drawn from the clock
  --histories N   how many seeds in a row; default 100
  --lies          the nodes lie about logs: every range is read in full (inline), or the facts are proved behind that (background)
  --keep-going    continue with the other seeds after a failure
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      histories: { type: 'string', default: '100' },
      lies: { type: 'string' },
      'keep-going': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const first = Number(values.seed ?? Math.floor(Date.now() / 1000) % 1_000_000);
  const histories = Number(values.histories);
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(histories) || first < 0 || histories < 1) {
    process.stderr.write(HELP);
    return 2;
  }
  const { lies } = values;
  if (lies !== undefined && lies !== 'inline' && lies !== 'background') {
    process.stderr.write(HELP);
    return 2;
  }
  return runAll(first, histories, { detours: true, lies }, values['keep-going']);
}

async function runAll(first: number, histories: number, options: DriveOptions, keepGoing: boolean): Promise<number> {
  const server = await startPostgres({
    disposable: true,
    settings: SERVER_SETTINGS,
  });
  const database = openDatabase({ url: server.url, maxConnections: 8 });
  const tally: Tally = new Map();
  const failed: number[] = [];
  const start = performance.now();
  let done = 0;
  try {
    await migrateUp(database.kysely);
    for (let seed = first; seed < first + histories; seed++) {
      try {
        await simulate(database, seed, tally, options);
      } catch (error) {
        failed.push(seed);
        process.stderr.write(`${error instanceof Error ? `${error.message}\n${causeOf(error)}` : error}\n`);
        if (!keepGoing) break;
      }
      done++;
      if (process.stderr.isTTY) process.stderr.write(`\r${done}/${histories}`);
    }
  } finally {
    await database.close();
    await server.stop();
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const counts = [...tally].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, count]) => `${what} ${count}`);
  process.stdout.write(`${counts.join(', ')}\n`);
  process.stdout.write(`${done} histories from seed ${first}, ${failed.length} failed, ${seconds} s\n`);
  return failed.length === 0 ? 0 : 1;
}

function causeOf(error: Error): string {
  const stack = error.cause instanceof Error ? (error.cause.stack ?? '') : '';
  return stack
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .join('\n');
}

process.exitCode = await main();
