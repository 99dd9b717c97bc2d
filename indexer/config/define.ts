import type * as z from 'zod/mini';
import type { CHAIN, LOG_LEVELS, REDIS, SETTINGS } from './schema.ts';

/** Settings of a configuration file. Missing settings are taken from the environment, then from the defaults. */
export type Settings = Readonly<z.input<typeof SETTINGS>>;

/** Settings of one chain. */
export type ChainSettings = Readonly<z.input<typeof CHAIN>>;

/** One RPC endpoint of a chain: a URL, an object with a URL and options, or a viem transport. */
export type RpcEndpoint = NonNullable<ChainSettings['rpcUrls']>[number];

/** The Redis of the queue, if one URL is not enough to describe it. */
export type RedisSettings = Readonly<z.input<typeof REDIS>>;

/** How the program proves that no fact (decoded log) of a chain is missing. */
export type ProofSettings = NonNullable<ChainSettings['proof']>;

/** One of the log levels. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Returns the settings unchanged, and gives a configuration file its types: `export default defineConfig({ … })`. All settings are
 * described in docs/configuration.md.
 *
 * @example
 * export default defineConfig({ chains: { 8453: { confirmations: 128 } } });
 */
export function defineConfig(settings: Settings): Settings {
  return settings;
}
