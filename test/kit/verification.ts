import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { createSource, type Source } from '../../indexer/source/source.ts';
import type { Difference } from '../../indexer/verify/difference.ts';
import { digest } from '../../indexer/verify/digest.ts';
import { type VerifyInput, type VerifyResult, verifyChain } from '../../indexer/verify/verify.ts';
import type { Anvil } from './anvil-node.ts';
import { deploy } from './deploy.ts';

const SEED = 7;
const RUNTIME = { now: () => performance.now(), random: Math.random };
const MULTICALL3: Hex = '0xca11bde05977b3631167028862be2a173976ca11';

/** What a verification found. */
export type Verified = {
  readonly result: VerifyResult;
  readonly differences: readonly Difference[];
  readonly notes: readonly string[];
};

/** Verifies a database in this process. */
export type Verifier = {
  readonly database: Database;
  /** Verifies every contract without sampling, unless `options` say otherwise. */
  verify(options?: Partial<VerifyInput>): Promise<Verified>;
  digest(): ReturnType<typeof digest>;
};

/** Opens a verifier of a chain, which is closed when the test ends. */
export function openVerifier(url: string, chainId: number, rpcUrls: readonly string[]): Verifier {
  const database = openDatabase({ url, statementTimeoutMs: 0, maxConnections: 2 });
  const source = createSource({ chainId, rpcUrls });
  onTestFinished(async () => {
    source.close();
    await database.close();
  });
  return {
    database,
    verify: (options) => verify({ database, source, chainId }, options),
    digest: () => digest(database),
  };
}

async function verify(
  base: { readonly database: Database; readonly source: Source; readonly chainId: number },
  options: Partial<VerifyInput> = {},
): Promise<Verified> {
  const differences: Difference[] = [];
  const notes: string[] = [];
  const input: VerifyInput = {
    ...{
      log: { error() {}, info() {} } as never,
      runtime: RUNTIME,
      contracts: undefined,
      sample: undefined,
      seed: SEED,
      block: undefined,
    },
    ...{ checksCoverage: true, repairs: false, ...base, ...options },
  };
  const report = {
    difference: (difference: Difference) => void differences.push(difference),
    note: (note: string) => void notes.push(note),
  };
  return { result: await verifyChain(input, report, new AbortController().signal), differences, notes };
}

/** Gives Multicall3 code at its usual address, and mines a block, so that the state of a block contains the code. */
export async function installMulticall(anvil: Anvil): Promise<void> {
  const require = createRequire(import.meta.url);
  const { multicall3Bytecode } = require(join(dirname(require.resolve('viem')), 'constants/contracts.js'));
  const { address } = await deploy(anvil, { abi: [], bytecode: multicall3Bytecode });
  await anvil.request('anvil_setCode', MULTICALL3, await anvil.client.getCode({ address }));
  await anvil.mine();
}
