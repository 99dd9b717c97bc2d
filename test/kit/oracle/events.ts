import {
  type AbiEvent,
  type AbiParameter,
  decodeAbiParameters,
  encodeAbiParameters,
  type Hex,
  parseAbiItem,
  toEventSelector,
} from 'viem';

/** The kind of a contract. */
export type Kind = 'master' | 'dividend' | 'artist_token' | 'pool';

/** A log as a node returns it. */
export type OracleLog = {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly transactionHash: Hex;
  readonly logIndex: number;
};

// Not imported from `abis/` on purpose: the oracle must not share a mistake with the program that it checks.
const SIGNATURES = {
  Transfer721: 'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  Transfer20: 'event Transfer(address indexed from, address indexed to, uint256 value)',
  ConsecutiveTransfer:
    'event ConsecutiveTransfer(uint256 indexed fromTokenId, uint256 toTokenId, address indexed fromAddress, address indexed toAddress)',
  Minted: 'event Minted(address indexed minter, uint256 indexed tokenId, uint256 price)',
  TransferValidatorUpdated: 'event TransferValidatorUpdated(address oldValidator, address newValidator)',
  DefaultRoyaltySet: 'event DefaultRoyaltySet(address indexed receiver, uint96 feeNumerator)',
  TokenRoyaltySet: 'event TokenRoyaltySet(uint256 indexed tokenId, address indexed receiver, uint96 feeNumerator)',
  MetadataUpdate: 'event MetadataUpdate(uint256 _tokenId)',
  BatchMetadataUpdate: 'event BatchMetadataUpdate(uint256 _fromTokenId, uint256 _toTokenId)',
  Paused: 'event Paused(address account)',
  Unpaused: 'event Unpaused(address account)',
  OwnershipTransferStarted: 'event OwnershipTransferStarted(address indexed previousOwner, address indexed newOwner)',
  OwnershipTransferred: 'event OwnershipTransferred(address indexed previousOwner, address indexed newOwner)',
  RoleGranted: 'event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)',
  RoleRevoked: 'event RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender)',
  Upgraded: 'event Upgraded(address indexed implementation)',
  RevenueDeposited: 'event RevenueDeposited(uint256 amount, address token, uint256 timestamp)',
  DividendsDistributed: 'event DividendsDistributed(uint256 amount, address token, uint256 perTokenAmount)',
  DividendClaimed: 'event DividendClaimed(address indexed holder, uint256 tokenId, uint256 amount)',
  RevenueDepositedFrom: 'event RevenueDeposited(uint256 amount, string source, uint256 timestamp)',
  DividendClaimedByOwner: 'event DividendClaimed(uint256 tokenId, address owner, uint256 amount)',
  DividendDeposited: 'event DividendDeposited(uint256 masterId, uint256 amount)',
  DividendClaimedForEpoch: 'event DividendClaimed(address indexed holder, uint256 epochId, uint256 amount)',
  Mint: 'event Mint(address indexed sender, uint256 amount0, uint256 amount1)',
  Burn: 'event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to)',
  Swap: 'event Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, address indexed to)',
  Sync: 'event Sync(uint112 reserve0, uint112 reserve1)',
} as const;

/** The name of an event. The `Transfer` events of EIP-20 and EIP-721 have the same topic 0 and different names here. */
export type EventName = keyof typeof SIGNATURES;
/** The arguments of an event by name. Addresses are in lower case. */
export type EventArguments = Readonly<Record<string, Hex | bigint>>;

/** The ABI of every event that the oracle knows. */
export const EVENT_ABIS = Object.fromEntries(
  Object.entries(SIGNATURES).map(([name, signature]) => [name, parseAbiItem(signature)]),
) as unknown as Readonly<Record<EventName, AbiEvent>>;

/** The events of the modules by which a contract is administered. */
export const ADMINISTRATIVE_EVENTS = [
  'Paused',
  'Unpaused',
  'OwnershipTransferStarted',
  'OwnershipTransferred',
  'RoleGranted',
  'RoleRevoked',
  'Upgraded',
] as const satisfies readonly EventName[];

const DIVIDEND_EVENTS_OF: Readonly<Record<string, readonly EventName[]>> = {
  '1.0': ['RevenueDeposited', 'DividendsDistributed', 'DividendClaimed', ...ADMINISTRATIVE_EVENTS],
  '2.0': ['RevenueDepositedFrom', 'DividendsDistributed', 'DividendClaimedByOwner', ...ADMINISTRATIVE_EVENTS],
  '3.0': ['DividendDeposited', 'DividendsDistributed', 'DividendClaimedForEpoch', ...ADMINISTRATIVE_EVENTS],
};

/** The events that a contract of each kind and ABI version emits. */
const EVENTS_OF: Readonly<Record<Kind, Readonly<Record<string, readonly EventName[]>>>> = {
  dividend: DIVIDEND_EVENTS_OF,
  master: {
    '1.0': [
      'Transfer721',
      'ConsecutiveTransfer',
      'Minted',
      'TransferValidatorUpdated',
      'DefaultRoyaltySet',
      'TokenRoyaltySet',
      'MetadataUpdate',
      'BatchMetadataUpdate',
      ...ADMINISTRATIVE_EVENTS,
    ],
  },
  artist_token: { '1.0': ['Transfer20', ...ADMINISTRATIVE_EVENTS] },
  pool: { '1.0': ['Transfer20', 'Mint', 'Burn', 'Swap', 'Sync'] },
};

/** The events in which a dividend contract pays a claim. */
export const CLAIM_EVENTS: readonly EventName[] = [
  'DividendClaimed',
  'DividendClaimedByOwner',
  'DividendClaimedForEpoch',
];

/**
 * A log decoded by the ABI of a contract kind: an event; `misfit` if the ABI has its topic 0 but the log does not fit the ABI; or
 * `unknown` if the ABI does not have its topic 0.
 */
export type DecodedLog = { readonly event: EventName; readonly args: EventArguments } | 'misfit' | 'unknown';

/** An event with its inputs in the order of the log's words: indexed inputs first. */
type Layout = {
  readonly event: EventName;
  readonly indexed: number;
  readonly inputs: readonly (AbiParameter & { readonly name: string })[];
};

/** Decodes logs with viem, and caches the results because the simulation decodes the same logs many times. */
export class LogDecoder {
  readonly #layouts: ReadonlyMap<string, Layout> = layoutsByTopic();
  readonly #cache = new WeakMap<OracleLog, Map<string, DecodedLog>>();

  /** Decodes a log by the ABI of a contract kind in a version. */
  decode(log: OracleLog, kind: Kind, version = '1.0'): DecodedLog {
    let cached = this.#cache.get(log);
    if (cached === undefined) {
      cached = new Map();
      this.#cache.set(log, cached);
    }
    const abi = `${kind} ${version}`;
    let decoded = cached.get(abi);
    if (decoded === undefined) {
      const layout = this.#layouts.get(`${abi} ${log.topics[0]}`);
      decoded = layout === undefined ? 'unknown' : decode(log, layout);
      cached.set(abi, decoded);
    }
    return decoded;
  }
}

function layoutsByTopic(): Map<string, Layout> {
  const layouts = new Map<string, Layout>();
  const versions = Object.entries(EVENTS_OF).flatMap(([kind, byVersion]) =>
    Object.entries(byVersion).map(([version, events]) => ({ name: `${kind} ${version}`, events })),
  );
  for (const { name, events } of versions) {
    for (const event of events) {
      const abi = EVENT_ABIS[event];
      const indexed = abi.inputs.filter((input) => input.indexed === true);
      const plain = abi.inputs.filter((input) => input.indexed !== true);
      const inputs = [...indexed, ...plain].map((input) => ({ ...input, name: input.name ?? '' }));
      layouts.set(`${name} ${toEventSelector(abi)}`, { event, indexed: indexed.length, inputs });
    }
  }
  return layouts;
}

/** Decodes a log. Indexed arguments take one word each, so topics and data together encode all arguments. */
function decode(log: OracleLog, { event, indexed, inputs }: Layout): DecodedLog {
  if (log.topics.length !== 1 + indexed) return 'misfit';
  const topics = log.topics.slice(1).map((topic) => topic.slice(2));
  const words: Hex = `0x${topics.join('')}${log.data.slice(2)}`;
  try {
    const values = decodeAbiParameters(inputs, words);
    // viem accepts surplus bytes, and high bits that should be zero.
    if (encodeAbiParameters(inputs, values) !== words) return 'misfit';
    const args = Object.fromEntries(inputs.map(({ name }, at) => [name, plain(values[at])]));
    const isBackwards = event === 'ConsecutiveTransfer' && numberOf(args, 'fromTokenId') > numberOf(args, 'toTokenId');
    return isBackwards ? 'misfit' : { event, args };
  } catch {
    return 'misfit';
  }
}

function plain(value: unknown): Hex | bigint {
  return typeof value === 'bigint' ? value : (String(value).toLowerCase() as Hex);
}

/** Returns the value of a numeric argument. */
export function numberOf(args: EventArguments, name: string): bigint {
  return args[name] as bigint;
}

/** Returns the wallet that a claim pays. */
export function claimantOf(args: EventArguments): Hex {
  return (args.holder ?? args.owner) as Hex;
}

/** Returns the value of an address argument. */
export function addressOf(args: EventArguments, name: string): Hex {
  return args[name] as Hex;
}
