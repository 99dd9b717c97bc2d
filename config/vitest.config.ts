import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { TEST_TIMEOUT_MS } from '../test/kit/until.ts';

/** The folders of tests that start processes or query the database, from the slowest to the fastest. */
const FOLDERS = ['test/sim/', 'test/queue/', 'test/chain/', 'test/db/'];

/**
 * Runs the slowest files first, so that no worker is busy with one of them at the end. The other files are spread among them. The longest
 * of these only wait, and spreading them keeps the workers from all waiting at once.
 */
class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => FOLDERS.findIndex((folder) => moduleId.includes(`/${folder}`));
    const sorted = (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
    const [others, slow] = [sorted.filter((file) => rank(file) < 0), sorted.filter((file) => rank(file) >= 0)];
    const place = (files: TestSpecification[]) => files.map((file, index) => ({ file, at: index / files.length }));
    return [...place(slow), ...place(others)].toSorted((a, b) => a.at - b.at).map(({ file }) => file);
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/kit/postgres.ts',
    testTimeout: TEST_TIMEOUT_MS,
    hookTimeout: TEST_TIMEOUT_MS,
    pool: 'forks',
    // Each worker runs many files, and loads the modules that they import only once.
    isolate: false,
    // Most files wait for processes of their own, so there are more workers than cores.
    maxWorkers: 6,
    sequence: { sequencer: SlowestFirst },
  },
});
