import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { TEST_TIMEOUT_MS } from '../test/kit/until.ts';

/** The folders of tests, from the slowest to the fastest. */
const FOLDERS = ['test/sim/', 'test/queue/', 'test/chain/', 'test/unit/', 'test/db/'];

/** Runs the slowest files first, so that no worker is busy with one of them at the end. */
class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => FOLDERS.findIndex((folder) => moduleId.includes(`/${folder}`));
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
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
