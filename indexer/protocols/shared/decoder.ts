import type { Abi, AbiEvent } from 'viem';
import { toEventSelector } from 'viem/utils';
import type { FactLists } from '../../facts/fact-lists.ts';
import type { Origin, Quarantine, Receipts } from '../../facts/origin.ts';
import type { Hex, RawLog } from '../../kernel/chain.ts';

/** Collects the facts that decoders read from the logs of one range. */
export type Sink = {
  readonly facts: FactLists;
  readonly quarantined: Quarantine[];
  readonly receipts: Receipts;
  /** Values that decoders keep while one range is decoded. The key is the function that created the value. See `perRange`. */
  readonly rangeValues: Map<unknown, unknown>;
};

/** Returns the value of `create(sink)`. The value is created at the first call and kept while the range is decoded. */
export function perRange<T>(sink: Sink, create: (sink: Sink) => T): T {
  let value = sink.rangeValues.get(create) as T | undefined;
  if (value === undefined) {
    value = create(sink);
    sink.rangeValues.set(create, value);
  }
  return value;
}

/**
 * Decodes a log into facts. The first topic, the number of topics and the length of the data must already match the event.
 *
 * Returns false and adds nothing to the sink if the log is malformed: for example, if the padding of a value is not zero, or if an integer
 * is above the range of its type.
 */
export type Decoder = (origin: Origin, sink: Sink) => boolean;

/** Optional properties of an event. */
export type EventOptions = {
  /** Whether the facts of the event need the receipt of their transaction. */
  readonly needsReceipt?: boolean;
  /** Returns the number of facts that a log becomes. Default: one. */
  readonly factsOf?: (log: RawLog) => number;
};

/** The decoder of one event and the shape of its logs. */
export type EventDecoder = EventOptions & {
  readonly name: string;
  readonly topics: number;
  /** The length of the data as hex text, including `0x`. The minimum length if an argument has a dynamic type. */
  readonly dataLength: number;
  /** Whether an argument has a dynamic type. `decode` must then check the data after the first words, one for each unindexed argument. */
  readonly isDynamic: boolean;
  readonly decode: Decoder;
};

type EventName<Events extends Abi> = Extract<Events[number], { readonly type: 'event' }>['name'];

/** Returns the decoders of an ABI's events by first topic. The indexed arguments of all events must have static types. */
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

/** Returns whether a log has the topics and the length of data of an event. */
export function hasShapeOf({ topics, dataLength, isDynamic }: EventDecoder, log: RawLog): boolean {
  const { length } = log.data;
  return log.topics.length === topics && (isDynamic ? length >= dataLength : length === dataLength);
}

/** Returns, in one line, why a log does not match an event. */
export function describeMisfit(event: EventDecoder, log: RawLog): string {
  const { topics, data } = log;
  if (hasShapeOf(event, log)) {
    return `${event.name}: a word does not fit its type (dirty padding, or a value out of range)`;
  }
  return (
    `${event.name}: expected ${event.topics} topics and ${event.isDynamic ? 'at least ' : ''}${byteLength(event.dataLength)} bytes of data, ` +
    `got ${topics.length} and ${byteLength(data.length)}`
  );
}

function shapeOf({ inputs }: AbiEvent): Pick<EventDecoder, 'topics' | 'dataLength' | 'isDynamic'> {
  const indexed = inputs.filter((input) => input.indexed === true).length;
  const isDynamic = inputs.some(({ type }) => type === 'string' || type === 'bytes');
  return { topics: 1 + indexed, dataLength: '0x'.length + 64 * (inputs.length - indexed), isDynamic };
}

function byteLength(hexLength: number): number {
  return (hexLength - '0x'.length) / 2;
}
