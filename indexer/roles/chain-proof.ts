import type { ChainConfig, Config } from '../config/resolve.ts';
import { secretsOf } from '../config/secrets.ts';
import type { Database } from '../db/database.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import { createRedact } from '../observability/redact.ts';
import type { ProofScope } from '../progress/proof.ts';
import { Prover } from '../proof/prover.ts';
import { levelOf } from '../rpc/notice.ts';
import { createSource, type SharedDeps, type Source } from '../source/source.ts';

/** Dependencies of the proof of one chain, which compares the chain's facts with the headers of its blocks. */
export type ChainProofInput = SharedDeps & {
  readonly config: Config;
  readonly chain: ChainConfig;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  /** The blocks and contracts to prove. Default: everything. */
  readonly scope?: Omit<ProofScope, 'chainId'>;
};

const EVERYTHING = { from: 0, to: Number.MAX_SAFE_INTEGER, contracts: null };

/** Proves one chain: compares its facts with block headers. Has connections of its own, whose calls per second the configuration limits. */
export type ChainProof = {
  /** Reads the chain within the limit of calls. */
  readonly source: Source;
  /** Proves until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Closes the connections to the endpoints. */
  close(): void;
};

/** Constructs the proof of a chain. */
export function createChainProof({
  config,
  chain,
  database,
  log,
  runtime,
  scope = EVERYTHING,
  observe,
  meters,
}: ChainProofInput): ChainProof {
  const { chainId } = chain;
  const { callsPerSecond } = chain.proof;
  const source = createSource(
    { ...chain, callsPerSecond },
    {
      ...runtime,
      observe,
      meters,
      notice: (notice) => log[levelOf(notice)]({ chain: chainId, task: 'proof', ...notice }, `source: ${notice.event}`),
    },
  );
  const prover = new Prover({
    ...{ database, source, log, runtime, callsPerSecond },
    redact: createRedact(secretsOf(config)),
    scope: { ...scope, chainId },
  });
  return { source, run: (signal) => prover.run(signal), close: () => source.close() };
}
