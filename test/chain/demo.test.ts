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
import { until } from '../kit/until.ts';

const MAIN = fileURLToPath(new URL('../../demo/main.ts', import.meta.url));

type Line = { readonly type: string; readonly [field: string]: unknown };
/** A process under the demo, and the scratch folder that its arguments name. */
type Descendant = { readonly pid: number; readonly args: string };

/** The real command in a process of its own, with a folder of its own for what it would leave behind. */
async function startDemo(...args: string[]) {
  const scratch = await mkdtemp(join(tmpdir(), 'indexer-demo-test-'));
  const child = spawn(process.execPath, [MAIN, '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, TMPDIR: scratch },
  });
  const exited = once(child, 'close');
  const said: { lines: Line[]; stderr: string } = { lines: [], stderr: '' };
  createInterface({ input: child.stdout }).on('line', (line) => said.lines.push(JSON.parse(line) as Line));
  child.stderr.on('data', (text) => (said.stderr += text));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(scratch, { recursive: true, force: true });
  });
  return {
    child,
    said,
    scratch,
    ended: exited.then(() => child.exitCode),
    /** Waits for the first picture, by when everything runs. */
    running: async () => {
      await until('the first figures', () => said.lines.find(({ type }) => type === 'figures'));
      return descendantsOf(child);
    },
  };
}

/** Processes below a process, by the chain of parents. */
async function descendantsOf({ pid }: ChildProcess): Promise<Descendant[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,ppid=,args=']);
  const all = stdout.split('\n').flatMap((line) => {
    const [, own, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return args === undefined ? [] : [{ pid: Number(own), parent: Number(parent), args }];
  });
  const found = new Set([pid]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const one of all) if (found.has(one.parent)) found.add(one.pid);
  }
  return all.filter((one) => one.pid !== pid && found.has(one.pid));
}

async function isRunning(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim() !== '' && !stdout.startsWith('Z');
}

/** No process lives on, and no folder of theirs exists, in memory neither. */
async function expectNothingLeft(descendants: readonly Descendant[], scratch: string): Promise<void> {
  const named = descendants.flatMap(({ args }) => args.match(/\/\S+\/indexer-(?:postgres|anvil|demo)-\w{6}/g) ?? []);
  const kinds = new Set(named.map((path) => /indexer-(\w+)-\w{6}$/.exec(path)?.[1]));
  expect([...kinds].sort()).toEqual(['anvil', 'demo', 'postgres']);
  await until('every process to end', async () => {
    const running = await Promise.all(descendants.map(({ pid }) => isRunning(pid)));
    return running.every((one) => !one);
  });
  await until('every folder to go', () => !named.some((path) => existsSync(path)));
  expect(await readdir(scratch)).toEqual([]);
}

test('it ends by itself, equals the chain and leaves nothing behind', async () => {
  const demo = await startDemo('--seconds', '8', '--seed', '8');
  const descendants = await demo.running();
  expect(await demo.ended).toBe(0);
  const summary = demo.said.lines.at(-1);
  expect(summary).toMatchObject({ type: 'summary', equal: true, differences: [] });
  expect(summary?.reorgs).toBeGreaterThan(0);
  const tables = summary?.tables as { table: string; stored: number; expected: number; differences: number }[];
  for (const table of tables) expect(table).toMatchObject({ stored: table.expected, differences: 0 });
  expect(tables.find(({ table }) => table === 'nft_transfers')?.stored).toBeGreaterThan(20);
  const figures = demo.said.lines.filter(({ type }) => type === 'figures');
  expect(figures.length).toBeGreaterThan(3);
  expect(figures.at(-1)).toMatchObject({ seed: 8, head: expect.any(Number), lagBlocks: expect.any(Number) });
  expect(demo.said.lines[0]).toMatchObject({ type: 'started', databaseUrl: expect.stringContaining('postgres://') });
  await expectNothingLeft(descendants, demo.scratch);
});

test('Ctrl-C ends it, and nothing is left', async () => {
  const demo = await startDemo();
  const descendants = await demo.running();
  demo.child.kill('SIGINT');
  expect(await demo.ended).toBe(0);
  await expectNothingLeft(descendants, demo.scratch);
});

test('what is killed without a word leaves nothing either', async () => {
  const demo = await startDemo();
  const descendants = await demo.running();
  demo.child.kill('SIGKILL');
  await demo.ended;
  await expectNothingLeft(descendants, demo.scratch);
});

test('a daemon that dies is told, with its log, and fails the demo', async () => {
  const demo = await startDemo();
  const daemon = (await demo.running()).find(({ args }) => args.includes(' start '));
  process.kill(daemon?.pid ?? -1, 'SIGKILL');
  expect(await demo.ended).toBe(1);
  expect(demo.said.stderr).toContain('the indexer ended with SIGKILL');
  const [log] = /\/\S+daemon\.log/.exec(demo.said.stderr) ?? [];
  expect(existsSync(log ?? '')).toBe(true);
});
