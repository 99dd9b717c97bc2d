import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Copies the program without some events of an ABI, to simulate an older version. Returns the path of the copy's `main.ts`. */
export function programWithout(abi: string, events: readonly string[]): Promise<string> {
  return programWithEdit(`abis/${abi}`, (text) => {
    let edited = text;
    for (const event of events) {
      const declaration = new RegExp(` {2}\\{\\n {4}type: 'event',\\n {4}name: '${event}',[\\s\\S]*?\\n {2}\\},\\n`);
      if (!declaration.test(edited)) throw new Error(`${abi} has no event ${event}`);
      edited = edited.replace(declaration, '');
    }
    return edited;
  });
}

/**
 * Copies the program and edits one file, to simulate another version. The copy is deleted when the test ends.
 *
 * @returns the path of the copy's `main.ts`
 */
export async function programWithEdit(path: string, edit: (text: string) => string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'older-program-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const part of ['indexer', 'abis', 'migrations', 'config', 'package.json'])
    await cp(join(ROOT, part), join(folder, part), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const file = join(folder, path);
  const text = await readFile(file, 'utf8');
  const edited = edit(text);
  if (edited === text) throw new Error(`the edit does not change ${path}`);
  await writeFile(file, edited);
  return join(folder, 'indexer', 'main.ts');
}
