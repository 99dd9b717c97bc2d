import { type AbiEvent, parseAbiItem } from 'viem';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { encodeEvent } from '../kit/event-logs.ts';
import { EVENT_ABIS, type EventArguments, type EventName } from '../kit/oracle/events.ts';

/** The name of an event in drawn histories. */
export type SimEvent = EventName | 'Approval';

const ABI: Readonly<Record<SimEvent, AbiEvent>> = {
  ...EVENT_ABIS,
  /** An event that no followed contract's ABI holds. */
  Approval: parseAbiItem('event Approval(address indexed owner, address indexed spender, uint256 value)'),
};

/** The ways in which a log may not fit the event of its first topic. */
export type Flaw = 'extra topic' | 'missing topic' | 'short data' | 'long data' | 'dirty word';

/** A log as its contract emits it, before it is placed in a block. */
export type LogBody = {
  readonly address: Hex;
  /** Null for a log without topics. */
  readonly event: SimEvent | null;
  readonly args: EventArguments;
  readonly flaw: Flaw | null;
  readonly topics: readonly Hex[];
  readonly data: Hex;
};

/** Returns a log of an event, with a flaw if one is given and possible for the event. */
export function logBody(contract: Hex, event: SimEvent, given: EventArguments, wanted: Flaw | null = null): LogBody {
  const args = Object.fromEntries(ABI[event].inputs.map(({ name = '' }) => [name, given[name] as Hex | bigint]));
  const { topics, data } = encodeEvent(ABI[event], args);
  const flaw = wanted !== null && flawsOf(event).includes(wanted) ? wanted : null;
  const body = { address: contract, event, args, flaw };
  switch (flaw) {
    case null:
      return { ...body, topics, data };
    case 'extra topic':
      return { ...body, topics: [...topics, ONE_WORD], data };
    case 'missing topic':
      return { ...body, topics: topics.slice(0, -1), data };
    case 'short data':
      return { ...body, topics, data: data.slice(0, -2) as Hex };
    case 'long data':
      return { ...body, topics, data: `${data}${ONE_WORD.slice(2)}` };
    case 'dirty word':
      return { ...body, ...withDirtyWord(event, topics, data) };
  }
}

/** Returns a log without topics. */
export function anonymousLog(contract: Hex): LogBody {
  return { address: contract, event: null, args: {}, flaw: null, topics: [], data: ONE_WORD };
}

const ONE_WORD: Hex = `0x${'1'.padStart(64, '0')}`;

function flawsOf(event: SimEvent): readonly Flaw[] {
  const { inputs } = ABI[event];
  const indexed = inputs.filter((input) => input.indexed === true).length;
  const flaws: Flaw[] = ['long data'];
  if (indexed < 3) flaws.push('extra topic');
  if (indexed > 0) flaws.push('missing topic');
  if (indexed < inputs.length) flaws.push('short data');
  if (inputs.some(({ type }) => type !== 'uint256')) flaws.push('dirty word');
  return flaws;
}

/** Sets the high bits of the first word whose type is narrower than 32 bytes. */
function withDirtyWord(event: SimEvent, topics: readonly Hex[], data: Hex): Pick<LogBody, 'topics' | 'data'> {
  let topic = 0;
  let word = 0;
  for (const { type, indexed } of ABI[event].inputs) {
    if (indexed === true) topic++;
    if (type !== 'uint256' && indexed === true) {
      return { topics: topics.with(topic, `0xf${(topics[topic] ?? '').slice(3)}`), data };
    }
    if (type !== 'uint256') {
      const at = 2 + word * 64;
      return { topics, data: `${data.slice(0, at)}f${data.slice(at + 1)}` as Hex };
    }
    if (indexed !== true) word++;
  }
  return { topics, data };
}
