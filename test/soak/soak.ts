import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { summarise } from '../../demo/summary.ts';
import { sleep } from '../../indexer/kernel/sleep.ts';
import type { Random } from '../kit/random.ts';
import { registerPlatform } from '../kit/register-platform.ts';
import type { SupervisedProcess } from './processes.ts';
import { makeTrouble, type Tally } from './troubles.ts';
import { createWorld, type Processes, startProcesses, troubleRandom, type World } from './world.ts';

const run = promisify(execFile);

/** How a soak runs. */
export type SoakOptions = {
  readonly minutes: number;
  readonly seed: number;
  /** Path of the executable. */
  readonly program: string;
  readonly print: (line: string) => void;
};

const BLOCK_INTERVAL_MS = 1_000;
const ACTIONS_PER_BLOCK_MAX = 6;
const REORG_EVERY_BLOCKS = { least: 8, spread: 30 };
/** One in this many reorgs is deep. */
const DEEP_ONCE_IN = 4;
/** How often a line with figures is printed. */
const REPORT_INTERVAL_MS = 60_000;
/** More than the distance from Anvil's head to its finalized block in this world. */
const BLOCKS_UNTIL_FINAL = 70;
const CATCH_UP_TIMEOUT_MS = 300_000;
const COMMAND_OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Runs traffic with reorgs over a chain whose two nodes fail and lie, while the processes that mirror it are killed, frozen and stopped
 * and their database stops. Then all troubles end, and the database must equal the chain. Three checks show this: an independent
 * computation of every table, `indexer verify --all`, and equal digests of a second database that is filled in one go.
 *
 * @returns a sentence for each problem, or none if the database equals the chain
 */
export async function soak(options: SoakOptions, signal: AbortSignal): Promise<readonly string[]> {
  const { minutes, seed, program, print } = options;
  const releases = new AsyncDisposableStack();
  try {
    const world = await createWorld(seed, releases);
    print(`seed ${seed}; ${minutes} minutes; logs of the processes: ${world.directory}`);
    await command(program, world.env, 'migrate', 'up');
    await registerPlatform(world.db, world.platform);
    const processes = startProcesses(world, program);
    releases.defer(async () => {
      await Promise.all(processes.map((process) => process.stop()));
    });
    const tally: Tally = new Map();
    const ended = AbortSignal.any([signal, AbortSignal.timeout(minutes * 60_000)]);
    await Promise.all([
      makeTraffic(world, troubleRandom(seed), tally, ended),
      makeTrouble({ ...world, processes }, troubleRandom(seed + 1), tally, ended),
      report(world, processes, print, ended),
    ]);
    for (const node of world.nodes) node.heal();
    for (const [trouble, times] of [...tally].sort(([a], [b]) => (a < b ? -1 : 1)))
      print(`  ${trouble}: ${times} times`);
    print('the traffic and the troubles have ended; comparing the database with the chain');
    return [...(await compare(world, processes, options)), ...processes.flatMap(({ crashes }) => crashes)];
  } finally {
    await releases.disposeAsync();
  }
}

async function makeTraffic(
  { anvil, traffic }: World,
  random: Random,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  let untilReorg = REORG_EVERY_BLOCKS.least;
  while (!signal.aborted) {
    for (let left = random.below(ACTIONS_PER_BLOCK_MAX + 1); left > 0; left -= 1) await traffic.step();
    await anvil.mine();
    untilReorg -= 1;
    if (untilReorg <= 0) {
      const depth = random.onceIn(DEEP_ONCE_IN) ? 4 + random.below(12) : 1 + random.below(3);
      await traffic.reorg(depth);
      tally.set('reorgs', (tally.get('reorgs') ?? 0) + 1);
      untilReorg = REORG_EVERY_BLOCKS.least + random.below(REORG_EVERY_BLOCKS.spread);
    }
    await sleep(BLOCK_INTERVAL_MS, signal);
  }
}

/** Prints a line of figures every minute. */
async function report(
  { anvil, db }: World,
  processes: Processes,
  print: SoakOptions['print'],
  signal: AbortSignal,
): Promise<void> {
  print('minute  chain  mirror  reorgs  repairs  starts  resident memory of the processes in MB');
  for (let minute = 1; ; minute += 1) {
    await sleep(REPORT_INTERVAL_MS, signal);
    if (signal.aborted) return;
    const head = await anvil.client.getBlockNumber();
    const { rows } = await db
      .query(
        `select head_number, (select count(*) from indexer.reorgs where reason = 'reorg') as reorgs,
           (select count(*) from indexer.repairs) as repairs from indexer.chains`,
      )
      .catch(() => ({ rows: [] as Record<string, unknown>[] }));
    const [row = {}] = rows;
    const memory = await Promise.all(processes.map(memoryOf));
    const starts = processes.map((process) => process.starts).join('+');
    const columns = [minute, head, row.head_number, row.reorgs, row.repairs, starts];
    print(`${columns.map((column) => String(column ?? '?').padStart(6)).join('  ')}  ${memory.join('  ')}`);
  }
}

async function memoryOf(process: SupervisedProcess): Promise<string> {
  const kilobytes = await process.residentKilobytes();
  return `${process.name} ${kilobytes === undefined ? '?' : Math.round(kilobytes / 1_024)}`;
}

async function compare(world: World, processes: Processes, { program, print }: SoakOptions): Promise<string[]> {
  const { anvil, subjects, db, env, postgres, platform } = world;
  // A node may have left logs out that no bloom shows. They are found when another node is asked for the logs of final blocks.
  const last = await anvil.client.getBlockNumber();
  await anvil.mine(BLOCKS_UNTIL_FINAL);
  const range = ['--from-block', '0', '--to-block', String(last)];
  const proved = await command(program, env, 'backfill', ...range, '--proved');
  print(`indexer backfill --proved: ${proved.output.trim().split('\n').at(-1)}`);
  const { differences, block, reorgs, deepestReorg } = await summarise(world, undefined, CATCH_UP_TIMEOUT_MS);
  print(
    `compared at block ${block}: ${differences.length} differences, after ${reorgs} reorgs, the deepest of ${deepestReorg} blocks`,
  );
  const exits = await Promise.all(processes.map((process) => process.stop()));
  const badExits = processes.flatMap(({ name }, i) => (exits[i] === 0 ? [] : [`${name} stopped with ${exits[i]}`]));
  const verified = await command(program, env, 'verify', '--all', '--json');
  print(`indexer verify --all: ${verified.output.trim().split('\n').at(-1)}`);

  // The second database is created now, so it sees only the final chain and is filled in one go.
  await db.query('create database again');
  const again = new URL(postgres.url);
  again.pathname = '/again';
  const quiet = { ...env, DATABASE_URL: again.href, [`RPC_URL_${anvil.chainId}`]: anvil.url };
  await command(program, quiet, 'migrate', 'up');
  const { Pool } = (await import('pg')).default;
  const other = new Pool({ connectionString: again.href, max: 1 });
  try {
    await registerPlatform(other, platform);
    const filled = await command(program, quiet, 'backfill', '--from-block', '0');
    const caughtUp = await summarise({ db: other, anvil, subjects }, undefined, CATCH_UP_TIMEOUT_MS);
    const [first, second] = [await digests(program, env), await digests(program, quiet)];
    const unequal = Object.keys(first).filter((table) => first[table] !== second[table]);
    print(
      `digests: ${Object.keys(first).length} tables, ${unequal.length} of them differ from those of a database filled at once`,
    );
    return [
      ...differences,
      ...badExits,
      ...(proved.code === 0 ? [] : [`indexer backfill --proved exited with ${proved.code}: ${proved.output}`]),
      ...(verified.code === 0 ? [] : [`indexer verify exited with ${verified.code}`]),
      ...(filled.code === 0 ? [] : [`indexer backfill exited with ${filled.code}: ${filled.output}`]),
      ...caughtUp.differences.map((difference) => `of the database filled at once: ${difference}`),
      ...unequal.map((table) => `the digests of ${table} differ`),
    ];
  } finally {
    await other.end();
  }
}

async function digests(program: string, env: World['env']): Promise<Readonly<Record<string, string>>> {
  const { output } = await command(program, env, 'digest', '--json');
  const { tables } = JSON.parse(output) as { tables: Record<string, { rows: number; digest: string }> };
  return Object.fromEntries(Object.entries(tables).map(([table, { rows, digest }]) => [table, `${rows} ${digest}`]));
}

/** Runs a command of the program to its end. */
async function command(
  program: string,
  env: World['env'],
  ...args: string[]
): Promise<{ code: number; output: string }> {
  const options = { env: { ...env, LOG_LEVEL: 'error' }, maxBuffer: COMMAND_OUTPUT_MAX_BYTES };
  return run(process.execPath, [program, ...args], options).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    ({ code, stdout, stderr }) => ({ code, output: `${stdout}${stderr}` }),
  );
}
