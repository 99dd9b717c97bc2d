import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  filesNamed,
  filesOfSituations,
  HAZARDS,
  readPage,
  rowsOf,
  SITUATIONS,
  testFiles,
} from '../kit/reliability-page.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readPage();
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
/** By situation that the program must survive, the rows of the table `Situations` that show it. */
const situations: Readonly<Record<string, readonly string[]>> = JSON.parse(
  readFileSync(join(ROOT, 'test/fixtures/situations.json'), 'utf8'),
);

const rows = rowsOf(PAGE);

/** Returns the files and npm scripts that a name on the page stands for. */
function meaningsOf(section: string, name: string): readonly string[] {
  const [, script] = /^npm run (\S+)/.exec(name) ?? [];
  if (script !== undefined) return script in scripts ? [script] : [];
  return filesNamed(section, name);
}

test('each test that the page names is one file, or a script of the package', () => {
  const named = rows.flatMap(({ section, tests }) => tests.map((name) => [name, meaningsOf(section, name)] as const));
  expect(named.filter(([, meanings]) => meanings.length !== 1)).toEqual([]);
  const paths = [...PAGE.matchAll(/test\/[\w/-]+\.ts/g)].map(([path]) => path);
  expect(paths.filter((path) => !testFiles.includes(path))).toEqual([]);
  // Fewer would mean that tables were not read.
  expect(new Set(named.flatMap(([, meanings]) => meanings)).size).toBeGreaterThan(90);
});

test('the page names each test of a hazard', () => {
  const named = rows.flatMap(({ section, tests }) => tests.flatMap((name) => meaningsOf(section, name)));
  const hazards = testFiles.filter((file) => file.startsWith(HAZARDS));
  expect(hazards.filter((file) => !named.includes(file) && !PAGE.includes(file))).toEqual([]);
});

test('each situation that the program must survive is a row of the page, with a test', () => {
  const shown = rows.filter(({ section, tests }) => section === SITUATIONS && tests.length > 0);
  const missing = Object.entries(situations).filter(
    ([, needed]) => needed.length === 0 || needed.some((row) => !shown.some(({ situation }) => situation === row)),
  );
  expect(missing).toEqual([]);
  expect(Object.keys(situations)).toHaveLength(17);
});

test('the page has the result of each test file of a situation, and each test passed', () => {
  const results = [...PAGE.matchAll(/^\| `(test\/\S+)` \| .+ \| (\w+) \| \d+ \|$/gm)].map(([, file = '', result]) => ({
    file,
    result,
  }));
  expect([...new Set(results.map(({ file }) => file))]).toEqual(filesOfSituations(PAGE));
  expect(results.filter(({ result }) => result !== 'passed')).toEqual([]);
});
