import { type Contract, type Hex, kindName, type WatchFilter } from '../kernel/chain.ts';
import { ConfigError } from '../kernel/errors.ts';
import type { Protocol } from '../protocols/protocol.ts';
import { abiVersionsOf, chooseProtocol, type ProtocolSelector, protocolsOf } from '../protocols/protocols.ts';
import type { EventOptions } from '../protocols/shared/decoder.ts';

/** A contract, and the protocol whose events it emits from `fromBlock` to `toBlock`, both included. */
export type IndexedContract = {
  readonly contract: Contract;
  readonly protocol: Protocol;
  readonly fromBlock: number;
  readonly toBlock: number;
};

/**
 * The followed contracts of one chain by address. An address may be followed as several kinds of contract. It has an entry for each kind
 * and each ABI version of that kind.
 */
export type ContractIndex = {
  readonly watch: WatchFilter;
  readonly byAddress: ReadonlyMap<Hex, readonly IndexedContract[]>;
  /** For the first topic of each event whose log can become several facts: a function that returns how many facts a log becomes. */
  readonly factsOf: ReadonlyMap<Hex, NonNullable<EventOptions['factsOf']>>;
};

/**
 * Returns why the logs of a contract cannot be decoded, as text to put after the contract's name. Null if they can be decoded. Callers
 * quarantine a contract that cannot be decoded, so that one wrong row does not stop the chain.
 */
export function contractFault(contract: ProtocolSelector & Contract): string | null {
  const { kind, masterId, artistTokenId } = contract;
  for (const { abiVersion } of abiVersionsOf(contract)) {
    const chosen = chooseProtocol({ ...contract, abiVersion });
    if ('refusal' in chosen) return chosen.refusal;
  }
  if (kind === 'master' && masterId === null) return 'its row names no master';
  if (kind === 'pool' && artistTokenId === null) return 'none of its tokens is an artist token';
  return null;
}

/**
 * Returns an index of contracts by address. It is used to request their logs and to decode them.
 *
 * @throws {ConfigError} if contracts cannot be decoded. The message names each of them with its reason.
 */
export function contractIndex(contracts: readonly (ProtocolSelector & Contract)[]): ContractIndex {
  const byAddress = new Map<Hex, IndexedContract[]>();
  const topics = new Set<Hex>();
  const factsOf = new Map<Hex, NonNullable<EventOptions['factsOf']>>();
  const faults: string[] = [];
  for (const contract of contracts) {
    const fault = contractFault(contract);
    if (fault !== null) {
      faults.push(`${kindName(contract.kind)} ${contract.address}: ${fault}`);
      continue;
    }
    const indexed = byAddress.get(contract.address) ?? [];
    byAddress.set(contract.address, indexed);
    for (const { protocol, fromBlock, toBlock } of protocolsOf(contract)) {
      indexed.push({ contract, protocol, fromBlock, toBlock });
      for (const [topic, event] of protocol.events) {
        topics.add(topic);
        if (event.factsOf !== undefined) factsOf.set(topic, event.factsOf);
      }
    }
  }
  if (faults.length > 0) throw new ConfigError(`contracts that cannot be decoded: ${faults.join('; ')}`);
  const watch = { addresses: [...byAddress.keys()].sort(), topics: [...topics].sort() };
  return { watch, byAddress, factsOf };
}
