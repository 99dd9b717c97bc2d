import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import type { Figures } from '../../demo/figures.ts';
import type { Verified } from '../../demo/verify-mirror.ts';
import { compileCache } from '../kit/program.ts';
import { until } from '../kit/until.ts';

const MAIN = fileURLToPath(new URL('../../demo/main.ts', import.meta.url));

type Line = { readonly type: string; readonly [field: string]: unknown };
/** A descendant process of the demo. Its arguments name its scratch folder. */
type Descendant = { readonly pid: number; readonly args: string };

/** Starts the real command in its own process, with its own folder for temporary files. */
async function startDemo(...args: string[]) {
  const scratch = await mkdtemp(join(tmpdir(), 'indexer-demo-test-'));
  const child = spawn(process.execPath, [MAIN, '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, TMPDIR: scratch, NODE_COMPILE_CACHE: compileCache() },
  });
  const exited = once(child, 'close');
  const output: { lines: Line[]; stderr: string } = { lines: [], stderr: '' };
  createInterface({ input: child.stdout }).on('line', (line) => output.lines.push(JSON.parse(line) as Line));
  child.stderr.on('data', (text) => (output.stderr += text));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(scratch, { recursive: true, force: true });
  });
  return {
    child,
    output,
    scratch,
    ended: exited.then(() => child.exitCode),
    /** Waits for the first figures, when everything is running, and returns all descendant processes. */
    running: async () => {
      await until('the first figures', () => output.lines.find(({ type }) => type === 'figures'));
      return descendantsOf(child);
    },
  };
}

/** Lists the descendants of a process. */
async function descendantsOf({ pid }: ChildProcess): Promise<Descendant[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,ppid=,args=']);
  const all = stdout.split('\n').flatMap((line) => {
    const [, own, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return args === undefined ? [] : [{ pid: Number(own), parent: Number(parent), args }];
  });
  const found = new Set([pid]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const { pid: child, parent } of all) if (found.has(parent)) found.add(child);
  }
  return all.filter((process) => process.pid !== pid && found.has(process.pid));
}

async function isRunning(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim() !== '' && !stdout.startsWith('Z');
}

/** Asserts that every process has ended and that their folders are gone, on disk and in memory. */
async function expectNothingLeft(descendants: readonly Descendant[], scratch: string): Promise<void> {
  const named = descendants.flatMap(({ args }) => args.match(/\/\S+\/indexer-(?:postgres|anvil|demo)-\w{6}/g) ?? []);
  const kinds = new Set(named.map((path) => /indexer-(\w+)-\w{6}$/.exec(path)?.[1]));
  expect([...kinds].sort()).toEqual(['anvil', 'demo', 'postgres']);
  await until('every process to end', async () => {
    const running = await Promise.all(descendants.map(({ pid }) => isRunning(pid)));
    return running.every((isAlive) => !isAlive);
  });
  await until('every folder to be deleted', () => !named.some((path) => existsSync(path)));
  expect(await readdir(scratch)).toEqual([]);
}

test('the demo ends by itself, equals the chain and leaves nothing behind', async () => {
  const demo = await startDemo('--seconds', '8', '--seed', '8');
  const descendants = await demo.running();
  expect(await demo.ended).toBe(0);
  const summary = demo.output.lines.at(-1);
  expect(summary).toMatchObject({ type: 'summary', equal: true, differences: [] });
  expect((summary?.verified as Verified | undefined)?.answers).toBeGreaterThan(20);
  const tables = summary?.tables as { table: string; stored: number; expected: number; differences: number }[];
  for (const table of tables) expect(table).toMatchObject({ stored: table.expected, differences: 0 });
  expect(tables.find(({ table }) => table === 'dividend_contracts')?.stored).toBe(2);
  expect(tables.find(({ table }) => table === 'nft_transfers')?.stored).toBeGreaterThan(20);
  expect(demo.output.lines[0]).toMatchObject({ type: 'started', databaseUrl: expect.stringContaining('postgres://') });
  await expectNothingLeft(descendants, demo.scratch);
});

test('the demo shows figures until Ctrl-C ends it, and leaves nothing behind', async () => {
  const demo = await startDemo('--seed', '8');
  const descendants = await demo.running();
  const last = await until('figures with a reorg and dividends of both rules', () => {
    const figures = demo.output.lines.filter(({ type }) => type === 'figures') as unknown as readonly Figures[];
    const [newest] = figures.slice(-1);
    const paid = newest?.dividends.filter(({ distributed, claimed }) => distributed !== '0' && claimed !== '0');
    return figures.length > 3 && newest !== undefined && newest.reorgs > 0 && paid?.length === 2 && newest;
  });
  expect(last).toMatchObject({ seed: 8, head: expect.any(Number), lagBlocks: expect.any(Number) });
  expect(last.dividends.map(({ rule }) => rule)).toEqual(['token', 'snapshot']);
  demo.child.kill('SIGINT');
  expect(await demo.ended).toBe(0);
  await expectNothingLeft(descendants, demo.scratch);
});

test('a demo killed by SIGKILL leaves nothing behind', async () => {
  const demo = await startDemo();
  const descendants = await demo.running();
  demo.child.kill('SIGKILL');
  await demo.ended;
  await expectNothingLeft(descendants, demo.scratch);
});

test('a daemon that dies fails the demo, which names its log', async () => {
  const demo = await startDemo();
  const daemon = (await demo.running()).find(({ args }) => args.includes(' start '));
  process.kill(daemon?.pid ?? -1, 'SIGKILL');
  expect(await demo.ended).toBe(1);
  expect(demo.output.stderr).toContain('the indexer ended with SIGKILL');
  const [log] = /\/\S+daemon\.log/.exec(demo.output.stderr) ?? [];
  expect(existsSync(log ?? '')).toBe(true);
});
