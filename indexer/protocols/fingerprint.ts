import type { Contract, ContractKind } from '../kernel/chain.ts';
import { decodersOf } from './protocols.ts';

/** An ABI version of a contract, and the blocks whose logs it decodes, both ends included. */
export type AbiVersionRange = { readonly abiVersion: string; readonly fromBlock: number; readonly toBlock: number };

type Versioned = Pick<Contract, 'kind' | 'abiVersion' | 'upgrades'>;

/** Returns the ABI versions of a contract, each with its blocks, in order. Most contracts have one, for all blocks. */
export function abiVersionsOf({ abiVersion, upgrades = [] }: Versioned): readonly AbiVersionRange[] {
  const starts = [{ fromBlock: 0, abiVersion }, ...upgrades];
  return starts.map((start, at) => ({
    ...start,
    toBlock: (starts[at + 1]?.fromBlock ?? Number.POSITIVE_INFINITY) - 1,
  }));
}

/**
 * Returns what this program asks for when it reads a contract: its ABI versions with their first blocks and events, as text.
 * It is kept with the contract's coverage: coverage that was read with other events lacks facts (invariant 1).
 *
 * @returns null where the program does not know one of the versions
 */
export function coverageFingerprint(contract: Versioned): string | null {
  const parts: string[] = [];
  for (const { abiVersion, fromBlock } of abiVersionsOf(contract)) {
    const events = eventsOf(contract.kind, abiVersion);
    if (events === undefined) return null;
    parts.push([`${contract.kind}/${abiVersion}@${fromBlock}`, ...events].join(' '));
  }
  return parts.join('; ');
}

/** Returns the events of an ABI version, each as its name and the beginning of its topic, in order. */
function eventsOf(kind: ContractKind, abiVersion: string): readonly string[] | undefined {
  const decoders = decodersOf({ kind, abiVersion });
  return decoders && [...decoders.events].map(([topic, { name }]) => `${name}:${topic.slice(2, 10)}`).sort();
}

/** What to do with coverage that was read with another fingerprint than the program's own, and why. */
export type FingerprintDecision = { readonly do: 'read anew' | 'refuse'; readonly because: string };

/**
 * Compares the fingerprint that a contract's coverage was read with (`held`) with what this program asks for (`asked`).
 *
 * A program that knows everything in `held` reads the history anew. A program that does not know one of its versions, or one
 * of the events of a version, is older than the one that read the history: it refuses the contract. ABI versions only ever
 * gain events, so of two programs at most one reads the other's history anew, and they never take turns at it.
 *
 * @returns undefined where the coverage is what this program would have read
 */
export function compareFingerprints(
  kind: ContractKind,
  held: string | null,
  asked: string | null,
): FingerprintDecision | undefined {
  if (held === null || held === asked) return undefined;
  const parts = parseFingerprint(held);
  const unknown = parts.flatMap(({ version, events }) => {
    const known = eventsOf(kind, version);
    if (known === undefined) return [`ABI version ${version}`];
    return events
      .filter((event) => !known.includes(event))
      .map((event) => `${nameOf(event)} of ABI version ${version}`);
  });
  if (unknown.length > 0)
    return {
      do: 'refuse',
      because: `a newer program read its history, with ${unknown.join(', ')}; update this program`,
    };
  return asked === null ? undefined : { do: 'read anew', because: describeChange(parts, parseFingerprint(asked)) };
}

type FingerprintPart = { readonly version: string; readonly fromBlock: string; readonly events: readonly string[] };

function parseFingerprint(text: string): readonly FingerprintPart[] {
  return text.split('; ').map((part) => {
    const [head = '', ...events] = part.split(' ');
    const [, version = '', fromBlock = ''] = /^[^/]*\/(.*)@(\d+)$/.exec(head) ?? [];
    return { version, fromBlock, events };
  });
}

function describeChange(before: readonly FingerprintPart[], after: readonly FingerprintPart[]): string {
  const versions = [before, after].map((parts) =>
    parts.map(({ version, fromBlock }) => `${version} from block ${fromBlock}`),
  );
  const [events, eventsAfter] = [before, after].map((parts) => new Set(parts.flatMap((part) => part.events))) as [
    Set<string>,
    Set<string>,
  ];
  const added = [...eventsAfter].filter((event) => !events.has(event)).map(nameOf);
  const dropped = [...events].filter((event) => !eventsAfter.has(event)).map(nameOf);
  return [
    String(versions[0]) === String(versions[1]) ? [] : `ABI versions are now ${versions[1]?.join(', ')}`,
    added.length === 0 ? [] : `events added: ${added.join(', ')}`,
    dropped.length === 0 ? [] : `events dropped: ${dropped.join(', ')}`,
  ]
    .flat()
    .join('; ');
}

function nameOf(event: string): string {
  return event.replace(/:.*$/, '');
}
