import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const { version, bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** The user's own `PATH`, whose Node may be older than the one that npm puts first. */
const PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .join(delimiter);

/** Runs the built program from outside the checkout, without any configuration. */
const run = (...args: string[]) => promisify(execFile)(join(ROOT, bin.indexer), args, { cwd: tmpdir(), env: { PATH } });

describe('the bin that package.json names, after npm install', () => {
  it('runs without further setup', async () => {
    expect((await run('--version')).stdout).toBe(`${version}\n`);
  });

  it('finds the configuration file of the package', async () => {
    await expect(run('status')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^ {2}DATABASE_URL: is not set/m),
    });
  });

  it('loads a configuration in TypeScript', async () => {
    const file = join(ROOT, 'config/local.ts');
    await expect(run('--config', file, 'status')).rejects.toMatchObject({
      stderr: expect.stringContaining('DATABASE_URL'),
    });
  });

  it.each([
    ['worker', true],
    ['status', false],
  ])('runs `%s` with flags that save memory: %s', async (command, hasFlags) => {
    const folder = await mkdtemp(join(tmpdir(), 'indexer-config-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'config.mjs');
    await writeFile(
      file,
      'process.stdout.write(process.execArgv.join(), () => process.exit(0)); await new Promise(() => {});',
    );
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(ROOT, bin.indexer),
      '--config',
      file,
      command,
    ]);
    expect(stdout.includes('--max-semi-space-size=')).toBe(hasFlags);
  });

  it('exits 2 on wrong usage', async () => {
    await expect(run('stauts')).rejects.toMatchObject({ code: 2 });
  });
});
