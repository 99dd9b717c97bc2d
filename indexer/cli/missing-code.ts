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
 * @returns the warnings
 */
export async function warnOfMissingCode(
  io: Io,
  config: Config,
  contracts: readonly Named[],
): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const [chainId, ofChain] of Map.groupBy(contracts, (contract) => contract.chainId)) {
    const addresses = ofChain.map(({ address }) => address);
    warnings.push(...(await checkCode(io, config, chainId, addresses)));
  }
  for (const warning of warnings) io.stderr.write(`indexer: warning: ${warning}\n`);
  return warnings;
}

async function checkCode(io: Io, config: Config, chainId: number, addresses: readonly Hex[]): Promise<string[]> {
  const chain = config.chains.find((settings) => settings.chainId === chainId);
  if (chain === undefined) return [];
  const { mapLimit } = await import('../rpc/concurrency.ts');
  const source = await openSource(chain, io.runtime);
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]);
  const checked = addresses.slice(0, CHECKED_MAX);
  try {
    const { number } = await source.head(signal);
    const hasCode = await mapLimit(checked, CHECKS_IN_FLIGHT, signal, (address, stop) =>
      source.codeAt(address, number, stop),
    );
    const warnings = checked
      .filter((_, index) => hasCode[index] === false)
      .map(
        (address) =>
          `${address} has no code on chain ${chainId} at block ${number}: is this the right address and chain? ` +
          'It is followed all the same, because it may be deployed later',
      );
    const left = addresses.length - checked.length;
    return left === 0
      ? warnings
      : [...warnings, `it was not checked that ${left} more contracts have code on chain ${chainId}`];
  } catch (error) {
    const subject = addresses.length === 1 ? `${addresses[0]} has` : `${addresses.length} contracts have`;
    return [io.redact(`it was not checked that ${subject} code on chain ${chainId}: ${reasonOf(error, chainId)}`)];
  } finally {
    source.close();
  }
}
