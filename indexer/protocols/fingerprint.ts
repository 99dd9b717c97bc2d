import { abiVersionsOf, protocols, protocolsOf, type Speaker } from './protocols.ts';

/**
 * Returns what this program asks for when it reads a contract: its protocols in their versions, with their first blocks and events,
 * as text. It is kept with the contract's coverage: coverage that was read with other events lacks facts (invariant 1).
 *
 * @returns null where the program does not know one of the versions
 */
export function coverageFingerprint(contract: Speaker): string | null {
  const spoken = protocolsOf(contract);
  if (spoken.length < abiVersionsOf(contract).length) return null;
  return spoken
    .map(({ protocol: { name, version }, fromBlock }) =>
      [`${name}/${version}@${fromBlock}`, ...(eventsOf(name, version) ?? [])].join(' '),
    )
    .join('; ');
}

/** Returns the events of a protocol's version, each as its name and the beginning of its topic, in order. */
function eventsOf(name: string, version: string): readonly string[] | undefined {
  const protocol = protocols.find((candidate) => candidate.name === name && candidate.version === version);
  return protocol && [...protocol.events].map(([topic, event]) => `${event.name}:${topic.slice(2, 10)}`).sort();
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
export function compareFingerprints(held: string | null, asked: string | null): FingerprintDecision | undefined {
  if (held === null || held === asked) return undefined;
  const parts = parseFingerprint(held);
  const unknown = parts.flatMap(({ name, version, events }) => {
    const known = eventsOf(name, version);
    if (known === undefined) return [`ABI version ${version} of ${name}`];
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

type FingerprintPart = {
  readonly name: string;
  readonly version: string;
  readonly fromBlock: string;
  readonly events: readonly string[];
};

function parseFingerprint(text: string): readonly FingerprintPart[] {
  return text.split('; ').map((part) => {
    const [head = '', ...events] = part.split(' ');
    const [, name = '', version = '', fromBlock = ''] = /^([^/]*)\/(.*)@(\d+)$/.exec(head) ?? [];
    return { name, version, fromBlock, events };
  });
}

function describeChange(before: readonly FingerprintPart[], after: readonly FingerprintPart[]): string {
  const versions = [before, after].map((parts) =>
    parts.map(({ name, version, fromBlock }) => `${name} ${version} from block ${fromBlock}`),
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
