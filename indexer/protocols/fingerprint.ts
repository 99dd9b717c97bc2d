import { abiVersionsOf, type ProtocolSelector, protocols, protocolsOf } from './protocols.ts';

/**
 * Returns a text that identifies the events that this program requests for a contract. The text names each protocol with its version, its
 * first block and its events. It is stored with the contract's coverage (the block ranges whose facts are stored), because coverage
 * that was read for other events may lack facts.
 *
 * @returns null if this program has no protocol for one of the contract's ABI versions
 */
export function coverageFingerprint(contract: ProtocolSelector): string | null {
  const known = protocolsOf(contract);
  if (known.length < abiVersionsOf(contract).length) return null;
  return known
    .map(({ protocol: { name, version }, fromBlock }) =>
      [`${name}/${version}@${fromBlock}`, ...(eventsOf(name, version) ?? [])].join(' '),
    )
    .join('; ');
}

/** Returns the events of a protocol in one version, sorted, each as its name and the first 8 digits of its topic. */
function eventsOf(name: string, version: string): readonly string[] | undefined {
  const protocol = protocols.find((candidate) => candidate.name === name && candidate.version === version);
  return protocol && [...protocol.events].map(([topic, event]) => `${event.name}:${topic.slice(2, 10)}`).sort();
}

/** What to do with a contract whose stored fingerprint differs from that of this program: read its history again or refuse it, and why. */
export type FingerprintDecision = { readonly do: 'reread' | 'refuse'; readonly because: string };

/**
 * Compares the fingerprint with which a contract's coverage was read (`stored`) with the fingerprint of this program (`current`).
 *
 * If this program knows all ABI versions and events in `stored`, the history is read again. Otherwise this program is older than the one
 * that read the history, and it refuses the contract. New releases of the program only ever add events to ABI versions. So if two releases
 * run at the same time, only the newer one rereads history that the other one read. They cannot reread it in turns.
 *
 * @returns undefined if the fingerprints are equal, if no fingerprint is stored, or if `current` is null and the program knows all ABI
 *   versions and events in `stored`
 */
export function compareFingerprints(stored: string | null, current: string | null): FingerprintDecision | undefined {
  if (stored === null || stored === current) return undefined;
  const parts = parseFingerprint(stored);
  const unknown = parts.flatMap(({ name, version, events }) => {
    const known = eventsOf(name, version);
    if (known === undefined) return [`ABI version ${version} of ${name}`];
    return events
      .filter((event) => !known.includes(event))
      .map((event) => `${eventName(event)} of ABI version ${version}`);
  });
  if (unknown.length > 0)
    return {
      do: 'refuse',
      because: `a newer program read its history, with ${unknown.join(', ')}; update this program`,
    };
  return current === null ? undefined : { do: 'reread', because: describeChange(parts, parseFingerprint(current)) };
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
  const added = [...eventsAfter].filter((event) => !events.has(event)).map(eventName);
  const dropped = [...events].filter((event) => !eventsAfter.has(event)).map(eventName);
  return [
    String(versions[0]) === String(versions[1]) ? [] : `ABI versions are now ${versions[1]?.join(', ')}`,
    added.length === 0 ? [] : `events added: ${added.join(', ')}`,
    dropped.length === 0 ? [] : `events dropped: ${dropped.join(', ')}`,
  ]
    .flat()
    .join('; ');
}

function eventName(event: string): string {
  return event.replace(/:.*$/, '');
}
