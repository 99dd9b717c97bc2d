import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/reliability.md'), 'utf8');
const HAZARDS = 'test/chain/hazards/';
/** In this section of the page, files without a folder are in `HAZARDS`. */
const SITUATIONS = 'Situations';

const files = globSync('test/**/*.test.ts', { cwd: ROOT });
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
/** By situation that the program must survive, the rows of the table `Situations` that show it. */
const situations: Readonly<Record<string, readonly string[]>> = JSON.parse(
  readFileSync(join(ROOT, 'test/fixtures/situations.json'), 'utf8'),
);

type Row = { readonly section: string; readonly situation: string; readonly tests: readonly string[] };

/** Returns the rows of the page's tables that have a column of tests, with the names in that column. */
function rowsOf(page: string): readonly Row[] {
  let section = '';
  return page.split('\n\n').flatMap((part) => {
    section = /^## (.+)$/.exec(part)?.[1] ?? section;
    const [header = [], , ...rows] = part.match(/^\|.*(?= \|$)/gm)?.map((line) => line.slice(2).split(' | ')) ?? [];
    const column = header.findIndex((title) => /^tests?$/.test(title));
    return rows.flatMap((cells) => {
      const tests = [...(cells[column] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
      return column < 0 ? [] : { section, situation: cells[0] ?? '', tests };
    });
  });
}

const rows = rowsOf(PAGE);

/** Returns the files and npm scripts that a name on the page stands for. */
function meaningsOf(section: string, name: string): readonly string[] {
  const [, script] = /^npm run (\S+)/.exec(name) ?? [];
  if (script !== undefined) return script in scripts ? [script] : [];
  const hazard = `${HAZARDS}${name}.test.ts`;
  if (section === SITUATIONS && files.includes(hazard)) return [hazard];
  const end = `/${name.replace(/\.test\.ts$/, '')}.test.ts`;
  return files.filter((file) => `/${file}`.endsWith(end));
}

test('each test that the page names is one file, or a script of the package', () => {
  const named = rows.flatMap(({ section, tests }) => tests.map((name) => [name, meaningsOf(section, name)] as const));
  expect(named.filter(([, meanings]) => meanings.length !== 1)).toEqual([]);
  const paths = [...PAGE.matchAll(/test\/[\w/-]+\.ts/g)].map(([path]) => path);
  expect(paths.filter((path) => !files.includes(path))).toEqual([]);
  // Fewer would mean that tables were not read.
  expect(new Set(named.flatMap(([, meanings]) => meanings)).size).toBeGreaterThan(90);
});

test('the page names each test of a hazard', () => {
  const named = rows.flatMap(({ section, tests }) => tests.flatMap((name) => meaningsOf(section, name)));
  const hazards = files.filter((file) => file.startsWith(HAZARDS));
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
