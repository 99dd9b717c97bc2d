import { copyFile, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleProgram } from '../../config/build.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The built program, in the layout of the published package. */
export type BuiltProgram = {
  /** The path of the entry point. */
  readonly main: string;
  /** Deletes the files. */
  remove(): Promise<void>;
};

/** Builds the program from the present sources, in the layout of an installed package. */
export async function buildProgram(): Promise<BuiltProgram> {
  const root = await mkdtemp(join(tmpdir(), 'indexer-build-'));
  await copyFile(join(ROOT, 'package.json'), join(root, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  await bundleProgram(join(root, 'dist'));
  return { main: join(root, 'dist', 'indexer', 'main.js'), remove: () => rm(root, { recursive: true, force: true }) };
}
