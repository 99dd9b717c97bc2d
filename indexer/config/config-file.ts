import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigError, messageOf } from '../kernel/errors.ts';
import type { Environment } from './option-reader.ts';
import { type Config, type Need, type Resolution, resolveSettings } from './resolve.ts';

/** The configuration file that is read if the command line names none. */
const DEFAULT_CONFIG_FILE = 'config/local.ts';

/** Reads the configuration like `loadSettings`, and returns it without the origins of its values. */
export async function loadConfig(file: string | undefined, env: Environment, needs: readonly Need[]): Promise<Config> {
  return (await loadSettings(file, env, needs)).config;
}

/**
 * Reads the configuration file, a TypeScript or JavaScript module whose default export is `defineConfig({ … })`. `resolveSettings`
 * completes it from the environment and the defaults.
 *
 * @param file path relative to the working directory. Default: `config/local.ts` of the working directory, else that of the package
 * @throws {ConfigError} one error that lists every fault with its place.
 */
export async function loadSettings(
  file: string | undefined,
  env: Environment,
  needs: readonly Need[],
): Promise<Resolution> {
  const path = file === undefined ? defaultPath() : resolve(file);
  if (!existsSync(path)) throw new ConfigError(`the configuration file ${path} does not exist`);
  return resolveSettings(await importDefault(path), file ?? DEFAULT_CONFIG_FILE, env, needs);
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
    throw new ConfigError(`the configuration file ${path} cannot be loaded: ${messageOf(error)}`, { cause: error });
  }
  if (module.default === undefined) {
    throw new ConfigError(`the configuration file ${path} must contain: export default defineConfig({ … })`);
  }
  return module.default;
}
