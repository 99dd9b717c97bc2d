import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigError, messageOf } from '../kernel/errors.ts';
import { type Config, type Environment, type Need, resolveConfig } from './resolve.ts';

/** Where the configuration is looked for when the command line names none. */
const DEFAULT_CONFIG_FILE = 'config/local.ts';

/**
 * Reads the configuration: a TypeScript or JavaScript module whose default export is `defineConfig({ … })`, the environment,
 * the defaults.
 *
 * @param file path from the working directory; without one `config/local.ts` there, else the one that comes with the program
 * @throws {ConfigError} one error that names every fault and where it is.
 */
export async function loadConfig(file: string | undefined, env: Environment, needs: readonly Need[]): Promise<Config> {
  const path = file === undefined ? defaultPath() : resolve(file);
  if (!existsSync(path)) throw new ConfigError(`the configuration file ${file} does not exist (looked for ${path})`);
  return resolveConfig(await importDefault(path), file ?? DEFAULT_CONFIG_FILE, env, needs);
}

function defaultPath(): string {
  const local = resolve(DEFAULT_CONFIG_FILE);
  if (existsSync(local)) return local;
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../../config/local.${extension}`, import.meta.url));
}

async function importDefault(path: string): Promise<unknown> {
  let module: { readonly default?: unknown };
  try {
    module = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new ConfigError(`the configuration file ${path} does not load: ${messageOf(error)}`, { cause: error });
  }
  if (module.default === undefined) {
    throw new ConfigError(`the configuration file ${path} must say: export default defineConfig({ … })`);
  }
  return module.default;
}
