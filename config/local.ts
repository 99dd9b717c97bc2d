import { defineConfig } from '../indexer/config/define.ts';

/** Needs nothing but the environment: DATABASE_URL and one RPC_URL_<chainId> for each chain to follow. */
export default defineConfig({});
