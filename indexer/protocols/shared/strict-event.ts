import type { AbiEvent } from 'viem';
import { decodeEventLog, encodeAbiParameters, encodeEventTopics } from 'viem';
import type { Hex, RawLog } from '../../kernel/chain.ts';

/** An event's arguments by name: addresses and bytes as lower-case hex, integers in decimal digits. */
export type PlainArguments<Event extends AbiEvent> = {
  readonly [Input in Event['inputs'][number] as Input['name'] & string]: Input['type'] extends 'address' ? Hex : string;
};

/**
 * The arguments of a log by viem; null where the log does not fit `event` exactly.
 *
 * viem forgives extra topics, extra data, dirty padding and integers above their type's range. What it read is therefore
 * encoded again and must give the same bytes. For events whose arguments are named and of static types.
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
    return null; // Whatever viem has against the log, its caller names: the log goes to the dead letters whole.
  }
}
