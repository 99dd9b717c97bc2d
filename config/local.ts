import { defineConfig } from '../indexer/config/define.ts';

/** Takes all settings from the environment: DATABASE_URL, and RPC_URL_<chainId> for each chain to follow. */
export default defineConfig({});
