import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { manifestViolations, sealMigrations } from '../kit/seal-migrations.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'migrations-'));
  await writeFile(join(folder, 'manifest.json'), '{}');
  await writeFile(join(folder, '0001_one.ts'), 'one');
  await writeFile(join(folder, 'helper.ts'), 'help');
});
afterEach(() => rm(folder, { recursive: true }));

test('the migrations of this repository are sealed and unchanged', async () => {
  expect(await manifestViolations()).toEqual([]);
});

test('a new migration is reported until it is sealed', async () => {
  expect(await manifestViolations(folder)).toEqual([
    'migrations/0001_one.ts is not sealed: run `npm run migrations:seal`.',
    'migrations/helper.ts is not sealed: run `npm run migrations:seal`.',
  ]);
  expect(await sealMigrations(folder)).toEqual(['0001_one.ts', 'helper.ts']);
  expect(await manifestViolations(folder)).toEqual([]);
});

test('sealing again still reports a sealed migration that changed or is missing', async () => {
  await sealMigrations(folder);
  const manifest = await readFile(join(folder, 'manifest.json'), 'utf8');
  await writeFile(join(folder, '0001_one.ts'), 'another');
  await rm(join(folder, 'helper.ts'));
  expect(await sealMigrations(folder)).toEqual([]);
  expect(await readFile(join(folder, 'manifest.json'), 'utf8')).toBe(manifest);
  expect(await manifestViolations(folder)).toEqual([
    'migrations/0001_one.ts changed after it was sealed: restore it and write a new migration instead.',
    'migrations/helper.ts is sealed and missing: a migration is never removed.',
  ]);
});
