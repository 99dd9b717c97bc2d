import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

// `node test/kit/reliability-page.ts REPORT` writes the results of a whole test run (Vitest's JSON report) into the page.

const ROOT = join(import.meta.dirname, '../..');
const PATH = join(ROOT, 'docs/reliability.md');
const RESULTS = '## Results of the situations\n';
/** In this section of the page, files without a folder are in `HAZARDS`. */
export const SITUATIONS = 'Situations';
/** The folder of the tests that each show one situation. */
export const HAZARDS = 'test/chain/hazards/';

/** The paths of all test files, from the root of the project. */
export const testFiles: readonly string[] = globSync('test/**/*.test.ts', { cwd: ROOT });

/** A row of a table of the page: the section, the first cell, and the names in the column of tests. */
export type PageRow = { readonly section: string; readonly situation: string; readonly tests: readonly string[] };

/** The part of Vitest's JSON report that is used. Times in milliseconds. */
type Report = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly startTime: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly endTime: number;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly duration?: number;
    }[];
  }[];
};

/** Returns the text of `docs/reliability.md`. */
export function readPage(): string {
  return readFileSync(PATH, 'utf8');
}

/** Returns the rows of the page's tables that have a column of tests. */
export function rowsOf(page: string): readonly PageRow[] {
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

/** Returns the test files that a name in a section of the page stands for. */
export function filesNamed(section: string, name: string): readonly string[] {
  const hazard = `${HAZARDS}${name}.test.ts`;
  if (section === SITUATIONS && testFiles.includes(hazard)) return [hazard];
  const end = `/${name.replace(/\.test\.ts$/, '')}.test.ts`;
  return testFiles.filter((file) => `/${file}`.endsWith(end));
}

/** Returns the test files that show the situations of the page. */
export function filesOfSituations(page: string): readonly string[] {
  const rows = rowsOf(page).filter(({ section }) => section === SITUATIONS);
  return [...new Set(rows.flatMap(({ tests }) => tests.flatMap((name) => filesNamed(SITUATIONS, name))))];
}

/** Returns the page with the results of a run in place of the former ones. Throws if a file of a situation is not in the report. */
function withResults(page: string, { numPassedTests, numFailedTests, startTime, testResults }: Report): string {
  const rows = filesOfSituations(page).flatMap((file) => {
    const result = testResults.find(({ name }) => name.endsWith(`/${file}`));
    if (result === undefined) throw new Error(`the report has no result of ${file}: it must be that of a whole run`);
    return result.assertionResults.map(
      ({ fullName, status, duration = 0 }) =>
        `| \`${file}\` | ${fullName.replaceAll('|', '\\|')} | ${status} | ${Math.ceil(duration / 1_000)} |`,
    );
  });
  const minutes = Math.ceil((Math.max(...testResults.map(({ endTime }) => endTime)) - startTime) / 60_000);
  const day = new Date(startTime).toISOString().slice(0, 10);
  const machine = `${process.platform}, ${availableParallelism()} cores, Node ${process.versions.node}`;
  const [text = ''] = page.split(RESULTS);
  return `${text.trimEnd()}

${RESULTS}
<!-- Written by \`npm run docs:reliability -- REPORT\`, where REPORT is the file of \`npm test -- --reporter=json --outputFile.json=REPORT\`. -->

A whole run on ${day} (${machine}) took ${minutes} minutes: ${numPassedTests} tests passed, ${numFailedTests} failed. These are the tests that
the section *${SITUATIONS}* names.

| file | shows | result | seconds |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

const [, script, report] = process.argv;
if (script === import.meta.filename && report !== undefined) {
  writeFileSync(PATH, withResults(readPage(), JSON.parse(readFileSync(report, 'utf8')) as Report));
}
