import { kindName } from '../kernel/chain.ts';
import { messageOf } from '../kernel/errors.ts';
import type { ChainReader } from '../protocols/shared/chain-reader.ts';
import type { NamedContract } from '../registry/import.ts';
import type { Io } from './io.ts';
import { HEAD_TIMEOUT_MS, openSource, reasonOf } from './open-source.ts';
import type { Session } from './session.ts';

/** The maximum number of contracts of a chain that are checked, because each of them costs several calls. */
const CHECKED_MAX = 100;
const CHECKS_IN_FLIGHT = 8;
/** Maximum duration of all checks of one chain together. */
const CHECKS_TIMEOUT_MS = 15_000;

/**
 * Warns about contracts that have no code yet, contracts whose answers or code do not fit their kind, contracts that were not checked,
 * and chains without an endpoint. The contracts are registered in any case.
 *
 * @returns the warnings
 */
export async function warnOfUnfitContracts(
  io: Io,
  session: Session<unknown>,
  contracts: readonly NamedContract[],
): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const [chainId, ofChain] of Map.groupBy(contracts, (contract) => contract.chainId))
    warnings.push(...(await checkContracts(io, session, chainId, ofChain)));
  for (const warning of warnings) io.stderr.write(`indexer: warning: ${warning}\n`);
  return warnings;
}

async function checkContracts(
  io: Io,
  session: Session<unknown>,
  chainId: number,
  contracts: readonly NamedContract[],
): Promise<string[]> {
  const chain = session.config.chains.find((settings) => settings.chainId === chainId);
  if (chain === undefined)
    return [`chain ${chainId} has no RPC_URL_${chainId}, so nothing will follow it until it is set`];
  const [{ mapLimit }, { chainReaderOver }] = await Promise.all([
    import('../rpc/concurrency.ts'),
    import('../protocols/shared/chain-reader.ts'),
  ]);
  const source = await openSource(chain, session, io.runtime);
  try {
    const { number } = await source.head(AbortSignal.any([io.signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]));
    const reader = chainReaderOver(source);
    const signal = AbortSignal.any([io.signal, AbortSignal.timeout(CHECKS_TIMEOUT_MS)]);
    const failures: unknown[] = [];
    const check = (contract: NamedContract) =>
      warningAbout(reader, contract, number, signal).catch((error: unknown) => void failures.push(error));
    const warnings = await mapLimit(contracts.slice(0, CHECKED_MAX), CHECKS_IN_FLIGHT, undefined, check);
    const left = Math.max(0, contracts.length - CHECKED_MAX) + failures.length;
    const because = failures.length === 0 ? '' : `: ${io.redact(messageOf(failures[0]))}`;
    const unchecked = `it was not checked what ${left} of ${contracts.length} contracts on chain ${chainId} are${because}`;
    return [...warnings.filter((warning) => warning !== undefined), ...(left > 0 ? [unchecked] : [])];
  } catch (error) {
    const subject = contracts.length === 1 ? `${contracts[0]?.address} is` : `${contracts.length} contracts are`;
    return [io.redact(`it was not checked what ${subject} on chain ${chainId}: ${reasonOf(error, chain)}`)];
  } finally {
    await source.close();
  }
}

/** Returns what is wrong with a contract, in one sentence. Undefined if nothing is wrong. The contract must have code at `block`. */
async function warningAbout(
  reader: ChainReader,
  { kind, address, chainId, type }: NamedContract,
  block: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const name = `${kindName(kind)} ${address}`;
  const isIt = 'is this the right address and chain? It is followed all the same';
  if ((await reader.codeAt(address, block, signal)) === false)
    return `${name} has no code on chain ${chainId} at block ${block}: ${isIt}, because it may be deployed later`;
  const [{ identifyContract }, { DEFAULT_ABI_VERSION }] = await Promise.all([
    import('../registry/metadata.ts'),
    import('../protocols/protocols.ts'),
  ]);
  const contract = { kind, address, abiVersion: DEFAULT_ABI_VERSION, poolType: type ?? null };
  const { speaks, note } = await identifyContract(reader, contract, signal);
  if (note === null || speaks === true) return undefined;
  if (speaks === null) return `${name} ${note}: ${isIt}`;
  return `${name} ${note}; it will be quarantined; remove it with: indexer contracts remove ${address} --chain ${chainId}`;
}
