import type { Config } from '../config/resolve.ts';
import type { Hex } from '../kernel/chain.ts';
import type { Io } from './io.ts';
import { HEAD_TIMEOUT_MS, openSource, reasonOf } from './open-source.ts';

type Named = { readonly chainId: number; readonly address: Hex };

/** The maximum number of contracts of a chain that are checked, because each of them costs a call. */
const CHECKED_MAX = 100;
const CHECKS_IN_FLIGHT = 8;

/**
 * Warns of contracts that have no code yet, or of which this could not be found out. They are followed all the same. Chains without an
 * endpoint are left out.
 *
 * @returns the warnings, one for each chain
 */
export async function warnOfMissingCode(
  io: Io,
  config: Config,
  contracts: readonly Named[],
): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const [chainId, ofChain] of Map.groupBy(contracts, (contract) => contract.chainId)) {
    const addresses = ofChain.map(({ address }) => address).slice(0, CHECKED_MAX);
    const warning = await missingCode(io, config, chainId, addresses);
    if (warning === undefined) continue;
    warnings.push(warning);
    io.stderr.write(`indexer: warning: ${warning}\n`);
  }
  return warnings;
}

async function missingCode(
  io: Io,
  config: Config,
  chainId: number,
  addresses: readonly Hex[],
): Promise<string | undefined> {
  const chain = config.chains.find((settings) => settings.chainId === chainId);
  if (chain === undefined) return undefined;
  const { mapLimit } = await import('../rpc/concurrency.ts');
  const source = await openSource(chain, io.runtime);
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]);
  try {
    const { number } = await source.head(signal);
    const hasCode = await mapLimit(addresses, CHECKS_IN_FLIGHT, signal, (address, stop) =>
      source.codeAt(address, number, stop),
    );
    const missing = addresses.filter((_, index) => hasCode[index] === false);
    if (missing.length === 0) return undefined;
    const [verb, subject, rest] =
      missing.length === 1
        ? ['has', 'is this the right address', 'It is followed all the same, because it']
        : ['have', 'are these the right addresses', 'They are followed all the same, because they'];
    return `${missing.join(', ')} ${verb} no code on chain ${chainId} at block ${number}: ${subject} and chain? ${rest} may be deployed later`;
  } catch (error) {
    const named = addresses.length === 1 ? `${addresses[0]} has` : `${addresses.length} contracts have`;
    return io.redact(`it was not checked that ${named} code on chain ${chainId}: ${reasonOf(error, chainId)}`);
  } finally {
    source.close();
  }
}
