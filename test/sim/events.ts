import { type AbiEvent, parseAbiItem } from 'viem';
import type { ContractKind, Hex } from '../../indexer/kernel/chain.ts';
import { encodeEvent } from '../kit/event-logs.ts';

/** The events that histories are made of. A `Transfer` of EIP-20 and one of EIP-721 share their first topic. */
const EVENTS = {
  Transfer721: 'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  Transfer20: 'event Transfer(address indexed from, address indexed to, uint256 value)',
  ConsecutiveTransfer:
    'event ConsecutiveTransfer(uint256 indexed fromTokenId, uint256 toTokenId, address indexed fromAddress, address indexed toAddress)',
  Minted: 'event Minted(address indexed minter, uint256 indexed tokenId, uint256 price)',
  TransferValidatorUpdated: 'event TransferValidatorUpdated(address oldValidator, address newValidator)',
  DefaultRoyaltySet: 'event DefaultRoyaltySet(address indexed receiver, uint96 feeNumerator)',
  TokenRoyaltySet: 'event TokenRoyaltySet(uint256 indexed tokenId, address indexed receiver, uint96 feeNumerator)',
  RevenueDeposited: 'event RevenueDeposited(uint256 amount, address token, uint256 timestamp)',
  DividendsDistributed: 'event DividendsDistributed(uint256 amount, address token, uint256 perTokenAmount)',
  DividendClaimed: 'event DividendClaimed(address indexed holder, uint256 tokenId, uint256 amount)',
  Mint: 'event Mint(address indexed sender, uint256 amount0, uint256 amount1)',
  Burn: 'event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to)',
  Swap: 'event Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, address indexed to)',
  Sync: 'event Sync(uint112 reserve0, uint112 reserve1)',
  /** Of no contract that is followed. */
  Approval: 'event Approval(address indexed owner, address indexed spender, uint256 value)',
} as const;

export type EventName = keyof typeof EVENTS;
export type EventArguments = Readonly<Record<string, Hex | bigint>>;

/** Ways in which a log may fail to be the event that its first topic names. */
export type Flaw = 'extra topic' | 'missing topic' | 'short data' | 'long data' | 'dirty word';

/** A log as its contract emits it, before a block gives it its place. */
export type LogBody = {
  readonly address: Hex;
  /** Null for a log without topics. */
  readonly event: EventName | null;
  readonly args: EventArguments;
  readonly flaw: Flaw | null;
  readonly topics: readonly Hex[];
  readonly data: Hex;
};

/** What the ABI of a kind of contract names, by the design's table. */
const READ_BY: Readonly<Record<ContractKind, readonly EventName[]>> = {
  master: [
    'Transfer721',
    'ConsecutiveTransfer',
    'Minted',
    'TransferValidatorUpdated',
    'DefaultRoyaltySet',
    'TokenRoyaltySet',
  ],
  dividend: ['RevenueDeposited', 'DividendsDistributed', 'DividendClaimed'],
  artist_token: ['Transfer20'],
  pool: ['Transfer20', 'Mint', 'Burn', 'Swap', 'Sync'],
};
const TWIN: Partial<Record<EventName, EventName>> = { Transfer721: 'Transfer20', Transfer20: 'Transfer721' };

/** What a log is to a contract of a kind: a fact, a dead letter, or nothing. */
export function readingOf({ event, flaw, args }: LogBody, kind: ContractKind): 'fact' | 'misfit' | 'nothing' {
  if (event === null) return 'nothing';
  if (READ_BY[kind].includes(event)) {
    const backwards = event === 'ConsecutiveTransfer' && big(args, 'fromTokenId') > big(args, 'toTokenId');
    return flaw !== null || backwards ? 'misfit' : 'fact';
  }
  const twin = TWIN[event];
  return twin !== undefined && READ_BY[kind].includes(twin) ? 'misfit' : 'nothing';
}

/** An argument that is a number. */
export function big(args: EventArguments, name: string): bigint {
  return args[name] as bigint;
}

/** An argument that is an address. */
export function address(args: EventArguments, name: string): Hex {
  return args[name] as Hex;
}

const ABI = Object.fromEntries(
  Object.entries(EVENTS).map(([name, text]) => [name, parseAbiItem(text)]),
) as unknown as Record<EventName, AbiEvent>;

/** A log of an event, spoilt by a flaw where one is given and the event has the place for it. */
export function logBody(contract: Hex, event: EventName, given: EventArguments, wish: Flaw | null = null): LogBody {
  const args = Object.fromEntries(ABI[event].inputs.map(({ name = '' }) => [name, given[name] as Hex | bigint]));
  const { topics, data } = encodeEvent(ABI[event], args);
  const flaw = wish !== null && flawsOf(event).includes(wish) ? wish : null;
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
      return { ...body, ...dirtied(event, topics, data) };
  }
}

/** A log without topics, which no ABI names. */
export function anonymousLog(contract: Hex): LogBody {
  return { address: contract, event: null, args: {}, flaw: null, topics: [], data: ONE_WORD };
}

const ONE_WORD: Hex = `0x${'1'.padStart(64, '0')}`;

function flawsOf(event: EventName): readonly Flaw[] {
  const { inputs } = ABI[event];
  const indexed = inputs.filter((input) => input.indexed === true).length;
  const flaws: Flaw[] = ['long data'];
  if (indexed < 3) flaws.push('extra topic');
  if (indexed > 0) flaws.push('missing topic');
  if (indexed < inputs.length) flaws.push('short data');
  if (inputs.some(({ type }) => type !== 'uint256')) flaws.push('dirty word');
  return flaws;
}

/** The high bits set of the first word whose type is narrower than a word. */
function dirtied(event: EventName, topics: readonly Hex[], data: Hex): Pick<LogBody, 'topics' | 'data'> {
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
