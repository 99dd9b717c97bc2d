import type { Abi, AbiEvent } from 'viem';
import { toEventSelector } from 'viem';
import type { Contract, Hex, RawLog } from '../../kernel/chain.ts';
import type { ClaimSettler } from '../dividend/claim-settler.ts';
import type { FactLists, Origin, Quarantine } from './decoded-batch.ts';

/** Where decoders leave what they read; one per range. */
export type Sink = {
  readonly [List in keyof FactLists]: FactLists[List][number][];
} & {
  readonly quarantined: Quarantine[];
  readonly claims: ClaimSettler;
  /** Tokens that a contract's EIP-2309 logs named so far in the newest block that has one. */
  readonly consecutiveTokens: Map<Contract, { readonly blockNumber: number; readonly tokens: number }>;
};

/**
 * Turns a log whose first topic, number of topics and length of data are the event's into facts.
 *
 * False, and nothing left in the sink, where a word does not fit its type: dirty padding, an integer above its range.
 */
export type Decoder = (origin: Origin, sink: Sink) => boolean;

type EventDecoder = {
  readonly name: string;
  readonly topics: number;
  readonly dataLength: number;
  readonly decode: Decoder;
};

/** How the events of one kind and version of contract are decoded, by first topic. */
export type DecoderSet = {
  readonly events: ReadonlyMap<Hex, EventDecoder>;
  /** The events whose facts need the receipt of their transaction. */
  readonly receiptTopics: ReadonlySet<Hex>;
};

type EventName<Events extends Abi> = Extract<Events[number], { readonly type: 'event' }>['name'];

/** Joins an ABI of events, all of static types, with a decoder for each of them. */
export function decoderSet<const Events extends Abi>(
  abi: Events,
  decoders: Readonly<Record<EventName<Events>, Decoder>>,
  needsReceipt: readonly EventName<Events>[] = [],
): DecoderSet {
  const events = new Map<Hex, EventDecoder>();
  const receiptTopics = new Set<Hex>();
  for (const event of abi) {
    if (event.type !== 'event') continue;
    const name = event.name as EventName<Events>;
    const topic = toEventSelector(event);
    events.set(topic, { name, decode: decoders[name], ...shapeOf(event) });
    if (needsReceipt.includes(name)) receiptTopics.add(topic);
  }
  return { events, receiptTopics };
}

/** Why `log` is not an `event`, in one line. */
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
