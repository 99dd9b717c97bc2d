import type { Abi, AbiEvent } from 'viem';
import { toEventSelector } from 'viem';
import type { FactLists } from '../../facts/fact-lists.ts';
import type { Origin, Quarantine, Receipts } from '../../facts/origin.ts';
import type { Hex, RawLog } from '../../kernel/chain.ts';

/** Where decoders put what they read from the logs of one range. */
export type Sink = {
  readonly facts: FactLists;
  readonly quarantined: Quarantine[];
  readonly receipts: Receipts;
  /** What a protocol keeps while one range is decoded, by the function that creates it. See `perRange`. */
  readonly kept: Map<unknown, unknown>;
};

/** Returns what `create` makes for a sink, made once per range. */
export function perRange<T>(sink: Sink, create: (sink: Sink) => T): T {
  let kept = sink.kept.get(create) as T | undefined;
  if (kept === undefined) {
    kept = create(sink);
    sink.kept.set(create, kept);
  }
  return kept;
}

/**
 * Turns a log whose first topic, number of topics and length of data are the event's into facts.
 *
 * Returns false, and leaves nothing in the sink, where a word does not fit its type: dirty padding, an integer above its range.
 */
export type Decoder = (origin: Origin, sink: Sink) => boolean;

/** What an event needs besides its decoder. */
export type EventOptions = {
  /** Whether its facts need the receipt of their transaction. */
  readonly needsReceipt?: boolean;
  /** Returns how many facts a log becomes, where that is not one. */
  readonly factsOf?: (log: RawLog) => number;
};

/** How one event of a protocol is decoded. `dataLength` is that of the data's hex text. */
export type EventDecoder = EventOptions & {
  readonly name: string;
  readonly topics: number;
  readonly dataLength: number;
  readonly decode: Decoder;
};

type EventName<Events extends Abi> = Extract<Events[number], { readonly type: 'event' }>['name'];

/** Joins an ABI of events, all of static types, with a decoder for each of them. Returns them by first topic. */
export function eventDecoders<const Events extends Abi>(
  abi: Events,
  decoders: Readonly<Record<EventName<Events>, Decoder>>,
  options: Readonly<Record<string, EventOptions>> = {},
): ReadonlyMap<Hex, EventDecoder> {
  const events = new Map<Hex, EventDecoder>();
  for (const event of abi) {
    if (event.type !== 'event') continue;
    const name = event.name as EventName<Events>;
    events.set(toEventSelector(event), { name, decode: decoders[name], ...shapeOf(event), ...options[name] });
  }
  return events;
}

/** Returns why `log` is not an `event`, in one line. */
export function misfit(event: EventDecoder, log: RawLog): string {
  const { topics, data } = log;
  if (topics.length === event.topics && data.length === event.dataLength) {
    return `${event.name}: a word does not fit its type (dirty padding, or a value out of range)`;
  }
  return (
    `${event.name}: expected ${event.topics} topics and ${byteLength(event.dataLength)} bytes of data, ` +
    `got ${topics.length} and ${byteLength(data.length)}`
  );
}

function shapeOf(event: AbiEvent): { readonly topics: number; readonly dataLength: number } {
  const indexed = event.inputs.filter((input) => input.indexed === true).length;
  return { topics: 1 + indexed, dataLength: '0x'.length + 64 * (event.inputs.length - indexed) };
}

function byteLength(hexLength: number): number {
  return (hexLength - '0x'.length) / 2;
}
