import { hash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../migrations/', import.meta.url));
const MANIFEST = 'manifest.json';

/** The SHA-256 of each sealed file, by its name. */
type Manifest = Readonly<Record<string, string>>;

/**
 * Checks the rule that migrations and their helpers never change. Returns a sentence for each file that changed after it was
 * sealed, is missing, or is not sealed yet.
 */
export async function manifestViolations(folder = FOLDER): Promise<string[]> {
  const [sealed, present] = await Promise.all([readManifest(folder), hashFiles(folder)]);
  return [...new Set([...Object.keys(sealed), ...Object.keys(present)])].sort().flatMap((name) => {
    if (sealed[name] === present[name]) return [];
    if (present[name] === undefined) return [`migrations/${name} is sealed and missing: a migration is never removed.`];
    if (sealed[name] === undefined) return [`migrations/${name} is not sealed: run \`npm run migrations:seal\`.`];
    return [`migrations/${name} changed after it was sealed: restore it and write a new migration instead.`];
  });
}

/** Adds the files that are not sealed yet to the manifest and returns their names. Does not change existing entries. */
export async function sealMigrations(folder = FOLDER): Promise<string[]> {
  const [sealed, present] = await Promise.all([readManifest(folder), hashFiles(folder)]);
  const all = Object.entries({ ...present, ...sealed }).sort(([a], [b]) => (a < b ? -1 : 1));
  await writeFile(join(folder, MANIFEST), `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`);
  return Object.keys(present).filter((name) => !(name in sealed));
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')) as Manifest;
}

async function hashFiles(folder: string): Promise<Manifest> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ts')).sort();
  const entries = names.map(async (name) => [name, hash('sha256', await readFile(join(folder, name)), 'hex')] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** Seals new migrations (`npm run migrations:seal`), or checks the sealed ones (`--check`). */
async function main(): Promise<void> {
  if (!process.argv.includes('--check')) {
    for (const name of await sealMigrations()) process.stdout.write(`sealed migrations/${name}\n`);
  }
  const violations = await manifestViolations();
  for (const sentence of violations) process.stderr.write(`${sentence}\n`);
  if (violations.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
