import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

// Fails if an export has no doc comment. Biome formats every export as a statement at the beginning of a line, so the line above it
// must end a comment.

const FOLDERS = ['indexer', 'abis', 'config', 'demo', 'bench', 'test/kit', 'test/sim'];
/** Generated from the database. */
const GENERATED = ['indexer/db/schema.ts'];
const EXPORT = /^export (?:default |abstract |async |declare )*(?:function|class|const|let|type|interface)\b/;

const files = execFileSync('git', ['ls-files', '--', ...FOLDERS], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => /\.[cm]?ts$/.test(file) && !file.endsWith('.test.ts') && !GENERATED.includes(file));
const faults = files.flatMap((file) => {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line, at) =>
    EXPORT.test(line) && lines[at - 1]?.trimEnd().endsWith('*/') !== true ? [`${file}:${at + 1}: ${line}`] : [],
  );
});
if (faults.length > 0) {
  process.stderr.write(`exports without a doc comment:\n${faults.map((fault) => `  ${fault}`).join('\n')}\n`);
  process.exitCode = 1;
}
