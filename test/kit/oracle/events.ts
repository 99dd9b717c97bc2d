import {
  type AbiEvent,
  type AbiParameter,
  decodeAbiParameters,
  encodeAbiParameters,
  type Hex,
  parseAbiItem,
  toEventSelector,
} from 'viem';

/** A kind of contract that the oracle knows. */
export type Kind = 'master' | 'dividend' | 'artist_token' | 'pool';

/** A log as a node reports it. */
export type ChainLog = {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly transactionHash: Hex;
  readonly logIndex: number;
};

// Written apart from `abis/`: the oracle must not share a mistake with the program that it judges.
const SIGNATURES = {
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
} as const;

/** Names an event. `Transfer` of EIP-20 and of EIP-721 share their first topic and are two events here. */
export type EventName = keyof typeof SIGNATURES;
/** An event's arguments by name; addresses in lower case. */
export type EventArguments = Readonly<Record<string, Hex | bigint>>;

/** The ABI of every event that the oracle knows. */
export const EVENT_ABIS = Object.fromEntries(
  Object.entries(SIGNATURES).map(([name, signature]) => [name, parseAbiItem(signature)]),
) as unknown as Readonly<Record<EventName, AbiEvent>>;

/** The events that a contract of each kind emits. */
const EVENTS_OF: Readonly<Record<Kind, readonly EventName[]>> = {
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

/**
 * What a log means to a contract of a kind: an event; a misfit, whose first topic the ABI names although the rest does not fit;
 * or nothing, when the ABI does not name its first topic.
 */
export type Reading = { readonly event: EventName; readonly args: EventArguments } | 'misfit' | 'nothing';

/** An event with its inputs in the order of the log's words: the indexed ones first. */
type Layout = {
  readonly event: EventName;
  readonly indexed: number;
  readonly inputs: readonly (AbiParameter & { readonly name: string })[];
};

/** Decodes logs with viem and remembers what it decoded, because the simulation reads the same logs many times. */
export class LogReader {
  readonly #layouts: ReadonlyMap<string, Layout> = layoutsByTopic();
  readonly #known = new WeakMap<ChainLog, Map<Kind, Reading>>();

  /** Returns what a log means to a contract of a kind. */
  read(log: ChainLog, kind: Kind): Reading {
    let known = this.#known.get(log);
    if (known === undefined) {
      known = new Map();
      this.#known.set(log, known);
    }
    let reading = known.get(kind);
    if (reading === undefined) {
      const layout = this.#layouts.get(`${kind} ${log.topics[0]}`);
      reading = layout === undefined ? 'nothing' : decode(log, layout);
      known.set(kind, reading);
    }
    return reading;
  }
}

function layoutsByTopic(): Map<string, Layout> {
  const layouts = new Map<string, Layout>();
  for (const [kind, events] of Object.entries(EVENTS_OF)) {
    for (const event of events) {
      const abi = EVENT_ABIS[event];
      const indexed = abi.inputs.filter((input) => input.indexed === true);
      const plain = abi.inputs.filter((input) => input.indexed !== true);
      const inputs = [...indexed, ...plain].map((input) => ({ ...input, name: input.name ?? '' }));
      layouts.set(`${kind} ${toEventSelector(abi)}`, { event, indexed: indexed.length, inputs });
    }
  }
  return layouts;
}

/** Every type here takes one word, so topics and data together are the encoding of all arguments. */
function decode(log: ChainLog, { event, indexed, inputs }: Layout): Reading {
  if (log.topics.length !== 1 + indexed) return 'misfit';
  const topics = log.topics.slice(1).map((topic) => topic.slice(2));
  const words: Hex = `0x${topics.join('')}${log.data.slice(2)}`;
  try {
    const values = decodeAbiParameters(inputs, words);
    // viem overlooks bytes that are too many and high bits that must be zero.
    if (encodeAbiParameters(inputs, values) !== words) return 'misfit';
    const args = Object.fromEntries(inputs.map(({ name }, at) => [name, plain(values[at])]));
    const isBackwards = event === 'ConsecutiveTransfer' && big(args, 'fromTokenId') > big(args, 'toTokenId');
    return isBackwards ? 'misfit' : { event, args };
  } catch {
    return 'misfit';
  }
}

function plain(value: unknown): Hex | bigint {
  return typeof value === 'bigint' ? value : (String(value).toLowerCase() as Hex);
}

/** Returns an argument that is a number. */
export function big(args: EventArguments, name: string): bigint {
  return args[name] as bigint;
}

/** Returns an argument that is an address. */
export function address(args: EventArguments, name: string): Hex {
  return args[name] as Hex;
}
