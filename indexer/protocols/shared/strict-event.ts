import type { AbiEvent } from 'viem';
import { decodeEventLog, encodeAbiParameters, encodeEventTopics } from 'viem/utils';
import type { Hex, RawLog } from '../../kernel/chain.ts';

/** The arguments of an event by name. Addresses and bytes are lower-case hex, integers are decimal digits. */
export type PlainArguments<Event extends AbiEvent> = {
  readonly [Input in Event['inputs'][number] as Input['name'] & string]: Input['type'] extends 'address' ? Hex : string;
};

/**
 * Decodes the arguments of a log with viem. Returns null if the log does not match `event` exactly.
 *
 * viem accepts extra topics, extra data, padding that is not zero, and integers above the range of their type. So the decoded arguments
 * are encoded again and must give the same bytes. The arguments of the event must be named and have static types.
 */
export function decodeStrict<const Event extends AbiEvent>(event: Event, log: RawLog): PlainArguments<Event> | null {
  const args = decodeExactly(event, log);
  if (args === null) return null;
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => [name, String(value).toLowerCase()]),
  ) as PlainArguments<Event>;
}

function decodeExactly(event: AbiEvent, log: RawLog): Readonly<Record<string, unknown>> | null {
  try {
    const topics = log.topics as [Hex, ...Hex[]];
    const args = decodeEventLog({ abi: [event], topics, data: log.data, strict: true }).args as unknown as Record<
      string,
      unknown
    >;
    const unindexed = event.inputs.filter((input) => input.indexed !== true);
    const data = encodeAbiParameters(
      unindexed,
      unindexed.map((input) => args[input.name ?? '']),
    );
    const encodedTopics = encodeEventTopics({ abi: [event], args });
    const same = data === log.data && String(encodedTopics) === String(log.topics);
    return same ? args : null;
  } catch {
    return null; // The caller describes the misfit and writes the whole log to the dead letters.
  }
}
