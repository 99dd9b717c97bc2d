import type { Contract, Hex, WatchFilter } from '../kernel/chain.ts';
import { ConfigError } from '../kernel/errors.ts';
import { abiVersionsOf } from '../protocols/fingerprint.ts';
import { decodersOf, knownAbiVersions } from '../protocols/protocols.ts';
import type { DecoderSet } from '../protocols/shared/decoder.ts';

/** A contract, and how the logs of some of its blocks, both ends included, are decoded. */
export type IndexedContract = {
  readonly contract: Contract;
  readonly decoders: DecoderSet;
  readonly fromBlock: number;
  readonly toBlock: number;
};

/** The followed contracts of one chain, looked up by address: an entry for each kind and ABI version of a contract. */
export type ContractIndex = {
  readonly watch: WatchFilter;
  readonly byAddress: ReadonlyMap<Hex, readonly IndexedContract[]>;
};

/**
 * Why a contract cannot be decoded, in one line that names the known versions of ABI; null where it can.
 *
 * The registry asks this first, so that one wrong row does not stop the chain.
 */
export function contractFault(contract: Contract): string | null {
  const { kind, address, masterId, artistTokenId } = contract;
  for (const { abiVersion } of abiVersionsOf(contract)) {
    if (decodersOf({ kind, abiVersion }) === undefined)
      return `${kind} ${address}: unknown ABI version ${abiVersion} (known: ${knownAbiVersions(kind).join(', ')})`;
  }
  if (kind === 'master' && masterId === null) return `master ${address}: belongs to no master`;
  if (kind === 'pool' && artistTokenId === null) return `pool ${address}: none of its tokens is an artist token`;
  return null;
}

/**
 * Looks a set of contracts up by address, for decoding their logs and for asking for them.
 *
 * @throws ConfigError naming every contract that cannot be decoded, and why
 */
export function contractIndex(contracts: readonly Contract[]): ContractIndex {
  const byAddress = new Map<Hex, IndexedContract[]>();
  const topics = new Set<Hex>();
  const faults: string[] = [];
  for (const contract of contracts) {
    const fault = contractFault(contract);
    if (fault !== null) {
      faults.push(fault);
      continue;
    }
    const indexed = byAddress.get(contract.address) ?? [];
    byAddress.set(contract.address, indexed);
    for (const { abiVersion, fromBlock, toBlock } of abiVersionsOf(contract)) {
      const decoders = decodersOf({ kind: contract.kind, abiVersion });
      if (decoders === undefined) continue;
      indexed.push({ contract, decoders, fromBlock, toBlock });
      for (const topic of decoders.events.keys()) topics.add(topic);
    }
  }
  if (faults.length > 0) throw new ConfigError(`contracts that cannot be decoded: ${faults.join('; ')}`);
  return { watch: { addresses: [...byAddress.keys()].sort(), topics: [...topics].sort() }, byAddress };
}
