import type { ChainConfig, Config } from '../config/resolve.ts';
import { examineDatabase } from './examine-database.ts';
import { examineEndpoint } from './examine-endpoint.ts';
import { examineQueue } from './examine-queue.ts';
import type { Finding } from './finding.ts';

/**
 * The advice for an endpoint that failed while another one works. It is not given for an endpoint that serves another chain than the
 * configured one, because such an endpoint stops the configured chain.
 */
const REPLACEABLE = 'it is not used while other endpoints of the chain work';

/**
 * Checks the database, the queue and every endpoint of a configuration, and yields the findings, subject by subject. Changes nothing. The
 * findings may contain secrets.
 */
export async function* examine(config: Config, signal: AbortSignal): AsyncGenerator<Finding> {
  // The examinations run at the same time. A failure of one becomes a finding.
  const parts = [
    examineDatabase(config, signal),
    examineQueue(config, signal),
    ...(config.chains.length > 0 ? config.chains.map((chain) => examineChain(chain, signal)) : [NO_CHAIN]),
  ];
  for (const part of parts) yield* await part;
}

const NO_CHAIN: readonly Finding[] = [
  {
    subject: 'endpoints',
    check: 'chain id',
    status: 'failed',
    detail: 'no chain is configured',
    advice: 'set RPC_URL_<chainId> for each chain to follow, as RPC_URL_1=https://…',
  },
];

/** Checks every endpoint of a chain. If one of them works, a failure of another is only a warning, unless it stops the chain. */
async function examineChain(chain: ChainConfig, signal: AbortSignal): Promise<readonly Finding[]> {
  const endpoints = await Promise.all(
    chain.rpcUrls.map((endpoint, index) => examineEndpoint(endpoint, index, chain, signal)),
  );
  const works = (findings: readonly Finding[]) => !findings.some(({ status }) => status === 'failed');
  if (!endpoints.some(works)) return endpoints.flat();
  return endpoints.flat().map((finding) => {
    if (finding.status !== 'failed' || finding.stopsChain === true) return finding;
    return { ...finding, status: 'warning', advice: finding.advice ?? REPLACEABLE };
  });
}
