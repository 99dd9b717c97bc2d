import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { TEST_TIMEOUT_MS } from '../test/kit/until.ts';

/** From the slowest files to the quickest. */
const FOLDERS = ['test/sim/', 'test/queue/', 'test/chain/', 'test/db/', 'test/unit/'];

/** Begins with what takes longest, so that no worker is left with it at the end. */
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
    // Workers go on with the next file, and what files import is loaded once.
    isolate: false,
    maxWorkers: 3,
    sequence: { sequencer: SlowestFirst },
  },
});
