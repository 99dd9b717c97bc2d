import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median } from './quantile.ts';
import type { Report } from './report.ts';

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RATIO_MIN = 0.97;
const LATENCY_BLOCKS = 500;
const LATENCY_BLOCKS_QUICK = 50;

/** The sizes that are passed on to the benchmark of each side. */
export type ComparedSizes = { readonly events: number; readonly blocks: number; readonly quick: boolean };

/** How often the benchmark of each side runs, and whether both sides run at the same time rather than in turn. */
export type Rounds = { readonly count: number; readonly atOnce: boolean };

/** One figure of both sides, with a value for each round. */
export type ComparedFigure = {
  readonly name: string;
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** The median after divided by the median before, or its inverse for times. Below 1 is worse than before. */
  readonly ratio: number;
  /** Whether the ratio is below the bound; false for figures without a bound. */
  readonly isSlower: boolean;
};

/** The figures of this working tree and of another commit or tree. */
export type Comparison = { readonly before: string; readonly figures: readonly ComparedFigure[] };

/** The parts of the benchmark's output that both sides must have. Older commits use the same names. */
type Output = {
  readonly report?: Pick<Report, 'backfill' | 'used' | 'following'>;
  /** The line that latency.ts prints. */
  readonly latency?: Readonly<Record<'announcedToReadableMs', Readonly<Record<'median' | 'p99', number>>>>;
};

type Figure = {
  readonly name: string;
  readonly isBounded: boolean;
  readonly lessIsBetter: boolean;
  readonly of: (output: Output) => number | undefined;
};

const FIGURES: readonly Figure[] = [
  figure('backfill, events/s', ({ report }) => report?.backfill?.eventsPerSecond),
  less('backfill, CPU of the process, ms', true, ({ report }) => report?.backfill?.processCpuMs),
  less('backfill, CPU of PostgreSQL, ms', true, ({ report }) => report?.backfill?.postgresCpuMs),
  figure('backfill into tables in use, events/s', ({ report }) => report?.used?.eventsPerSecond),
  figure('follower, one block per commit, blocks/s', ({ report }) => report?.following?.blocksPerSecond),
  figure('follower, catching up, blocks/s', ({ report }) => report?.following?.catchUpBlocksPerSecond),
  less('follower, CPU of the daemon, ms', true, ({ report }) => report?.following?.processCpuMs),
  less('follower, CPU of PostgreSQL, ms', true, ({ report }) => report?.following?.postgresCpuMs),
  less('announced to readable, median, ms', true, ({ report }) => report?.following?.latencyMedianMs),
  // A p99 rests on a few blocks and varies too much to be bounded.
  less('announced to readable, p99, ms', false, ({ report }) => report?.following?.latencyP99Ms),
  less('Anvil to readable, median, ms', true, (output) => output.latency?.announcedToReadableMs.median),
  less('Anvil to readable, p99, ms', false, (output) => output.latency?.announcedToReadableMs.p99),
];

function figure(name: string, of: Figure['of']): Figure {
  return { name, isBounded: true, lessIsBetter: false, of };
}

function less(name: string, isBounded: boolean, of: Figure['of']): Figure {
  return { name, isBounded, lessIsBetter: true, of };
}

/**
 * Runs the benchmark of another commit and of this working tree, in turn or at the same time. Each side runs its own `bench/`, so that
 * the modules of the program may have moved since; both must have the same command line and report.
 *
 * A virtual machine may change its speed by a fifth from one minute to the next. Sides that run at the same time share it, so that fewer
 * rounds tell them apart.
 *
 * @param against - a commit, or a folder that holds a working tree with its dependencies installed
 */
export async function compareWith(
  against: string,
  parts: ReadonlySet<string>,
  { count, atOnce }: Rounds,
  sizes: ComparedSizes,
  note: (text: string) => void,
): Promise<Comparison> {
  const { folder, remove } = await openTree(against, note);
  const [before, after]: [Output[], Output[]] = [[], []];
  try {
    for (let round = 1; round <= count; round++) {
      const sides = [
        ['before', folder, before],
        ['after', ROOT, after],
      ] as const;
      // The machine may become faster or slower during a round, so the sides take turns at being first.
      const ordered = round % 2 === 1 ? sides : sides.toReversed();
      const runSide = async ([side, tree, outputs]: (typeof sides)[number]) => {
        note(`round ${round} of ${count}, ${side}`);
        outputs.push(await runBenchmark(tree, parts, sizes));
      };
      if (atOnce) await runTogether(ordered.map(runSide));
      else for (const side of ordered) await runSide(side);
    }
  } finally {
    await remove();
  }
  const figures = FIGURES.flatMap((description) => compareFigure(description, before, after));
  return { before: against, figures };
}

/** Waits for all runs, also if one fails, because a worktree is removed afterwards. Then throws the first error. */
async function runTogether(runs: readonly Promise<void>[]): Promise<void> {
  for (const run of await Promise.allSettled(runs)) if (run.status === 'rejected') throw run.reason;
}

function compareFigure(
  { name, isBounded, lessIsBetter, of }: Figure,
  before: Output[],
  after: Output[],
): ComparedFigure[] {
  const [own, others] = [after, before].map((outputs) => outputs.flatMap((output) => of(output) ?? []));
  if (own === undefined || others === undefined || own.length === 0 || others.length === 0) return [];
  const share = median(own) / median(others);
  const ratio = lessIsBetter ? 1 / share : share;
  return [{ name, before: others, after: own, ratio, isSlower: isBounded && ratio < RATIO_MIN }];
}

/** Returns the comparison as a table of text. */
export function tableOfComparison({ before, figures }: Comparison): string {
  const lines = figures.map((compared) => {
    const [was, is] = [median(compared.before), median(compared.after)].map((value) => value.toFixed(1).padStart(12));
    const verdict = compared.isSlower ? `below ${RATIO_MIN}` : '';
    return `${compared.name.padEnd(44)}${was}${is}${compared.ratio.toFixed(3).padStart(9)}  ${verdict}`.trimEnd();
  });
  const head = `${'median'.padEnd(44)}${'before'.padStart(12)}${'after'.padStart(12)}${'ratio'.padStart(9)}`;
  return `\nbefore: ${before}; a ratio below 1 is worse than before\n\n${[head, ...lines].join('\n')}\n`;
}

/** Runs the requested parts in a working tree, once each. */
async function runBenchmark(tree: string, parts: ReadonlySet<string>, sizes: ComparedSizes): Promise<Output> {
  const inReport = [...parts].filter((part) => part !== 'latency');
  const report = inReport.length === 0 ? undefined : await runReport(tree, inReport, sizes);
  if (!parts.has('latency')) return { ...(report && { report }) };
  const blocks = sizes.quick ? LATENCY_BLOCKS_QUICK : LATENCY_BLOCKS;
  const printed = await runScript(tree, ['bench/latency.ts', '--blocks', String(blocks)]);
  return { ...(report && { report }), latency: JSON.parse(printed) };
}

async function runReport(tree: string, parts: readonly string[], sizes: ComparedSizes): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'indexer-bench-'));
  try {
    const file = join(folder, 'report.json');
    const { events, blocks, quick } = sizes;
    const size = ['--events', String(events), '--blocks', String(blocks), ...(quick ? ['--quick'] : [])];
    await runScript(tree, ['bench/run.ts', '--runs', '1', '--only', parts.join(','), ...size, '--json', file]);
    return JSON.parse(await readFile(file, 'utf8')) as Report;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a script under this Node and returns what it prints to standard output. */
async function runScript(tree: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { cwd: tree, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const printed = await text(child.stdout);
  const [code, signal] = await exited;
  if (code !== 0) throw new Error(`${args[0]} in ${tree} exited with ${code ?? signal}`);
  return printed;
}

type Tree = { readonly folder: string; remove(): Promise<void> };

/** Returns a folder as it is; checks a commit out into a new worktree, which `remove` removes. */
async function openTree(against: string, note: (text: string) => void): Promise<Tree> {
  const isFolder = await stat(against).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (isFolder) return { folder: resolve(against), remove: async () => undefined };
  const parent = await mkdtemp(join(tmpdir(), 'indexer-bench-'));
  const folder = join(parent, 'before');
  const remove = async () => {
    await execute('git', ['worktree', 'remove', '--force', folder], { cwd: ROOT }).catch(() => undefined);
    await rm(parent, { recursive: true, force: true });
  };
  try {
    await execute('git', ['worktree', 'add', '--detach', folder, against], { cwd: ROOT });
    await installDependencies(folder, note);
    return { folder, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Shares this tree's dependencies if the commit has the same lock file, else installs its own. */
async function installDependencies(folder: string, note: (text: string) => void): Promise<void> {
  const lockOf = (tree: string) => readFile(join(tree, 'package-lock.json'), 'utf8');
  if ((await lockOf(folder)) === (await lockOf(ROOT))) {
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    return;
  }
  note('installing the dependencies of the other commit');
  await execute('npm', ['ci'], { cwd: folder });
}
