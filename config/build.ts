import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The modules whose path is fixed, without their extension: `package.json` names them, or the program loads them by their path. */
const ENTRIES = [
  'indexer/bin',
  'indexer/main',
  'indexer/config/define',
  'indexer/drizzle/generated/schema',
  'config/local',
];
const MIGRATION = /^\d{4}_[a-z_]+(?=\.ts$)/;
/**
 * Libraries that are not bundled and stay in `node_modules`. `@ethereumjs/mpt` has the licence MPL-2.0, which requires that whoever
 * distributes it also offers its source, as npm does. Bull Board reads files that lie beside its modules, and has Fastify as its server. It
 * imports BullMQ from `node_modules`, although the bundle also holds BullMQ. Drizzle definitions must be made by the Drizzle of the package
 * that imports them.
 */
const EXTERNAL = ['@ethereumjs/mpt', 'fastify', /^@bull-board\//, /^drizzle-orm(?:$|\/)/];
/** The folder with the files of the status page, which the program reads when it runs. */
const PAGE = 'indexer/http/page';
const PACKAGE_FOLDER = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/;
const LICENCE_FILE = /^(?:licen[cs]e|notice|copying)\b/i;
const SEPARATOR = `\n\n${'-'.repeat(80)}\n\n`;
const LICENCE_HEADING = /^#+ licen[cs]e/im;

/** Writes the licences of the bundled libraries to a file beside them. */
const licences: Plugin = {
  name: 'licences',
  generateBundle(_, bundle) {
    const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
    const folders = new Set(modules.flatMap((id) => PACKAGE_FOLDER.exec(id)?.[0] ?? []));
    const texts = [...folders].sort().map(describeLicence);
    this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY-LICENSES.txt', source: texts.join(SEPARATOR) });
  },
};

/**
 * Bundles the program with its libraries, because reading a thousand modules takes longer than a short command. Modules that a command
 * imports dynamically stay in separate files.
 *
 * @param folder is emptied first
 */
export async function bundleProgram(folder: string): Promise<void> {
  const migrations = readdirSync(join(ROOT, 'migrations')).flatMap((name) => MIGRATION.exec(name)?.[0] ?? []);
  const entries = [...ENTRIES, ...migrations.map((name) => `migrations/${name}`)];
  const bundle = await rolldown({
    cwd: ROOT,
    input: Object.fromEntries(entries.map((name) => [name, `${name}.ts`])),
    platform: 'node',
    external: EXTERNAL,
    // ES modules do not have these variables of CommonJS, which some libraries use.
    transform: { define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' } },
    plugins: [licences],
  });
  // Modules of `indexer/config` and `indexer/db` find other files by a path relative to their own, so the depth must not change.
  await bundle.write({ dir: folder, cleanDir: true, chunkFileNames: 'indexer/chunks/[name].js' });
  await bundle.close();
  cpSync(join(ROOT, PAGE), join(folder, PAGE), { recursive: true });
}

/** Returns the name, version and licence of a library. Throws if the library has no text of a licence. */
function describeLicence(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');
  const files = readdirSync(folder).filter((file) => LICENCE_FILE.test(file));
  const texts = files.length > 0 ? files.map(read) : read('README.md').split(LICENCE_HEADING).slice(1);
  if (texts.length === 0) throw new Error(`${folder} has no text of a licence`);
  return [`${name} ${version}, ${license}`, ...texts.map((text) => text.trim())].join('\n\n');
}

if (import.meta.main) await bundleProgram(join(ROOT, 'dist'));
