import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The folders of the program, the built default configuration, and the licences of bundled libraries. */
const PACKED =
  /^(dist\/(indexer|migrations)\/|dist\/config\/local\.|dist\/THIRD-PARTY-LICENSES\.txt$|README\.md$|LICENSE$|package\.json$)/;
const NEEDED = [
  'dist/indexer/bin.js',
  'dist/indexer/config/define.d.ts',
  'dist/indexer/drizzle/generated/schema.d.ts',
  'dist/indexer/drizzle/generated/schema.js',
  'dist/THIRD-PARTY-LICENSES.txt',
];

test('the package holds the built program with its types and licences, and no demo, test kit or benchmark', async () => {
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    maxBuffer: 64 * 2 ** 20,
  });
  // npm prints a list, and since version 12 an object keyed by package name.
  const [packed] = Object.values(JSON.parse(stdout)) as { files: { path: string }[] }[];
  const paths = packed?.files.map(({ path }) => path) ?? [];
  expect(paths).toEqual(expect.arrayContaining(NEEDED));
  expect(paths.filter((path) => !PACKED.test(path))).toEqual([]);
});
