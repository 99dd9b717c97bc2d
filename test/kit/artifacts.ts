import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Abi } from 'viem';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { IndexerError } from '../../indexer/kernel/errors.ts';

/** A compiled contract. */
export type Artifact = { readonly abi: Abi; readonly bytecode: Hex };

type SolcOutput = {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts?: Record<string, Record<string, { abi: Abi; evm: { bytecode: { object: string } } }>>;
};
type Solc = {
  version(): string;
  compile(input: string, callbacks: { import(path: string): { contents: string } | { error: string } }): string;
};

const require = createRequire(import.meta.url);
const SETTINGS = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: 'paris',
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
};

/** The folder of this project's Solidity sources. They are not copied when the program is compiled to `dist/`. */
const CONTRACTS = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './contracts' : '../../../test/kit/contracts', import.meta.url),
);

/**
 * Reads the artifact of a contract from a published package.
 *
 * @param path module path of the JSON file, such as `@uniswap/v2-core/build/UniswapV2Pair.json`
 */
export async function publishedArtifact(path: string): Promise<Artifact> {
  const { abi, bytecode } = JSON.parse(await readFile(resolve(path), 'utf8')) as { abi: Abi; bytecode: string };
  return { abi, bytecode: prefixed(bytecode) };
}

/**
 * Returns the artifact of a contract of this project.
 *
 * @throws {IndexerError} if the sources define no such contract, or do not compile
 */
export async function ownArtifact(name: string): Promise<Artifact> {
  compiled ??= compileContracts();
  const artifact = (await compiled)[name];
  if (artifact === undefined) throw new IndexerError(`the sources define no contract ${name}`);
  return artifact;
}

/** The artifacts of this project's contracts. A process compiles them at most once. */
let compiled: Promise<Record<string, Artifact>> | undefined;

/**
 * Compiles this project's contracts and returns the artifact of each by name. Compiling takes seconds, so the
 * output is cached in `node_modules/.cache` under a hash of the sources and the compiler's settings.
 *
 * @throws {IndexerError} with the compiler's messages if a source does not compile
 */
async function compileContracts(): Promise<Record<string, Artifact>> {
  const sources = await readSources();
  const { version } = JSON.parse(await readFile(resolve('solc/package.json'), 'utf8')) as { version: string };
  const key = createHash('sha256').update(JSON.stringify({ version, SETTINGS, sources })).digest('hex').slice(0, 32);
  const cache = join(dirname(resolve('solc/package.json')), '..', '.cache', 'audifi-indexer', `solc-${key}.json`);
  const cached = await readFile(cache, 'utf8').catch(() => undefined);
  if (cached !== undefined) return JSON.parse(cached) as Record<string, Artifact>;
  const artifacts = await compile(sources);
  // A failed write only costs time. The rename keeps concurrent readers from a partly written file.
  const scratch = `${cache}.${process.pid}`;
  await mkdir(dirname(cache), { recursive: true })
    .then(() => writeFile(scratch, JSON.stringify(artifacts)))
    .then(() => rename(scratch, cache))
    .catch(() => undefined);
  return artifacts;
}

async function readSources(): Promise<Record<string, { content: string }>> {
  const sources: Record<string, { content: string }> = {};
  for (const file of (await readdir(CONTRACTS)).filter((name) => name.endsWith('.sol')).sort()) {
    sources[file] = { content: await readFile(join(CONTRACTS, file), 'utf8') };
  }
  return sources;
}

async function compile(sources: Record<string, { content: string }>): Promise<Record<string, Artifact>> {
  const { readFileSync } = await import('node:fs');
  const solc = require('solc') as Solc;
  const input = JSON.stringify({ language: 'Solidity', sources, settings: SETTINGS });
  const output = JSON.parse(
    solc.compile(input, { import: (path) => ({ contents: readFileSync(resolve(path), 'utf8') }) }),
  ) as SolcOutput;
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new IndexerError(errors.map(({ formattedMessage }) => formattedMessage).join('\n'));
  const artifacts: Record<string, Artifact> = {};
  for (const file of Object.keys(sources)) {
    for (const [name, { abi, evm }] of Object.entries(output.contracts?.[file] ?? {})) {
      if (evm.bytecode.object !== '') artifacts[name] = { abi, bytecode: prefixed(evm.bytecode.object) };
    }
  }
  return artifacts;
}

function resolve(path: string): string {
  try {
    return require.resolve(path);
  } catch (cause) {
    throw new IndexerError(`${path} is not installed; it is a development dependency of this package`, { cause });
  }
}

function prefixed(bytecode: string): Hex {
  return bytecode.startsWith('0x') ? (bytecode as Hex) : `0x${bytecode}`;
}
