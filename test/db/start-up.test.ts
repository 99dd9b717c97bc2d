import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, inject, test } from 'vitest';
import { compileCache } from '../kit/program.ts';
import { database } from '../kit/scene.ts';

/** Prints the number and the total size of the modules that a process loads from files, when it exits. */
const COUNTER = `
  import { registerHooks } from 'node:module';
  let [files, bytes] = [0, 0];
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (url.startsWith('file:')) {
        files += 1;
        bytes += loaded.source?.length ?? 0;
      }
      return loaded;
    },
  });
  process.on('exit', () => console.error(JSON.stringify({ files, kilobytes: Math.ceil(bytes / 1_000) })));
`;

/** Runs a command of the built program. Returns what it loaded. */
async function loadedBy(command: string, DATABASE_URL: string): Promise<{ files: number; kilobytes: number }> {
  const hook = `data:text/javascript,${encodeURIComponent(COUNTER)}`;
  const { stderr } = await promisify(execFile)(process.execPath, ['--import', hook, inject('program'), command], {
    env: { DATABASE_URL, NODE_COMPILE_CACHE: compileCache() },
  });
  return JSON.parse(stderr);
}

test.each([
  { command: '--help', filesMax: 10, kilobytesMax: 250 },
  { command: 'status', filesMax: 60, kilobytesMax: 4_000 },
])('`indexer $command` loads few modules, and none of other commands', async ({ command, filesMax, kilobytesMax }) => {
  const { url, db } = await database();
  await db.query('insert into indexer.chains (chain_id) values (1)');
  const { files, kilobytes } = await loadedBy(command, url);
  expect(files).toBeLessThanOrEqual(filesMax);
  expect(kilobytes).toBeLessThanOrEqual(kilobytesMax);
});
