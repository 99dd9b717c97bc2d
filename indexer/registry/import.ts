import { BLOCK_NUMBER_LIMIT, type ContractKind, type Hex, kindName } from '../kernel/chain.ts';
import { IndexerError } from '../kernel/errors.ts';
import { ADDRESS, UUID, WHOLE_NUMBER } from '../kernel/patterns.ts';
import { chooseProtocol, DEFAULT_ABI_VERSION, supportedPoolTypes } from '../protocols/protocols.ts';

/** A contract as the command line or an import file describes it. A pool's tokens are read from the chain unless both are given. */
export type NamedContract = {
  readonly kind: ContractKind;
  readonly chainId: number;
  readonly address: Hex;
  readonly fromBlock: number | undefined;
  readonly masterId: string | undefined;
  readonly masterContract: Hex | undefined;
  readonly artistId: string | undefined;
  readonly type: string | undefined;
  readonly token0: Hex | undefined;
  readonly token1: Hex | undefined;
};

const KINDS: Readonly<Record<string, ContractKind>> = {
  master: 'master',
  dividend: 'dividend',
  'artist-token': 'artist_token',
  artist_token: 'artist_token',
  pool: 'pool',
};
const FIELDS = [
  'kind',
  'address',
  'chainId',
  'fromBlock',
  'masterId',
  'masterContract',
  'artistId',
  'type',
  'token0',
  'token1',
] as const;

/** The fields that only contracts of one kind have. */
const FIELDS_OF_KIND: Readonly<Record<ContractKind, readonly string[]>> = {
  master: ['masterId'],
  dividend: ['masterContract'],
  artist_token: ['artistId'],
  pool: ['type', 'token0', 'token1'],
};

/** Validates one contract from the command line or a file. Returns the contract or everything that is wrong with it. */
export function nameContract(
  given: Readonly<Record<string, unknown>>,
  defaultChainId?: number,
): { readonly contract: NamedContract } | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  const text = (field: string, pattern: RegExp, what: string): string | undefined => {
    const value = given[field];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'string' && pattern.test(value)) return value.toLowerCase();
    faults.push(`${field} must be ${what}`);
    return undefined;
  };
  const whole = (field: string, limit = Number.MAX_SAFE_INTEGER): number | undefined => {
    const value = given[field];
    if (value === undefined || value === null) return undefined;
    const number = typeof value === 'string' && WHOLE_NUMBER.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 && number < limit) return number;
    faults.push(`${field} must be a whole number${limit === BLOCK_NUMBER_LIMIT ? ` below ${limit}` : ''}`);
    return undefined;
  };
  const kind = KINDS[String(given.kind)];
  if (kind === undefined) faults.push('kind must be master, dividend, artist-token or pool');
  const address = text('address', ADDRESS, 'an address: 0x and 40 hexadecimal digits');
  if (given.address === undefined) faults.push('address is missing');
  const chainId = whole('chainId') ?? defaultChainId;
  if (given.chainId === undefined && chainId === undefined) faults.push('chainId is missing');
  const contract = {
    fromBlock: whole('fromBlock', BLOCK_NUMBER_LIMIT),
    masterId: text('masterId', UUID, 'a UUID'),
    masterContract: text('masterContract', ADDRESS, 'an address') as Hex | undefined,
    artistId: text('artistId', UUID, 'a UUID'),
    type: text('type', /^[a-z0-9_]+$/, `a type of pool: ${supportedPoolTypes().join(', ')}`),
    token0: text('token0', ADDRESS, 'an address') as Hex | undefined,
    token1: text('token1', ADDRESS, 'an address') as Hex | undefined,
  };
  const chosen =
    kind === undefined ? undefined : chooseProtocol({ kind, abiVersion: DEFAULT_ABI_VERSION, poolType: contract.type });
  if (chosen !== undefined && 'refusal' in chosen) faults.push(chosen.refusal);
  for (const field of Object.keys(given)) faults.push(...misplaced(field, given[field], kind));
  if (faults.length > 0 || kind === undefined || address === undefined || chainId === undefined) return { faults };
  return { contract: { ...contract, kind, address: address as Hex, chainId } };
}

function misplaced(field: string, value: unknown, kind: ContractKind | undefined): readonly string[] {
  if (value === undefined) return [];
  if (!(FIELDS as readonly string[]).includes(field)) return [`${field} is unknown; there are ${FIELDS.join(', ')}`];
  const owner = Object.entries(FIELDS_OF_KIND).find(([, fields]) => fields.includes(field))?.[0];
  return owner === undefined || kind === undefined || owner === kind
    ? []
    : [`${field} does not go with ${kindName(kind)}`];
}

/**
 * Parses a file of contracts: a JSON array, or one JSON object per line. The fields are those of `NamedContract`.
 *
 * @throws {IndexerError} one error that lists every fault with its line or entry.
 */
export function parseContracts(text: string, defaultChainId?: number): readonly NamedContract[] {
  const faults: string[] = [];
  const contracts: NamedContract[] = [];
  for (const { place, value } of entriesOf(text)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      faults.push(`${place}: is not a JSON object`);
      continue;
    }
    const named = nameContract(value as Record<string, unknown>, defaultChainId);
    if ('contract' in named) contracts.push(named.contract);
    else faults.push(...named.faults.map((fault) => `${place}: ${fault}`));
  }
  if (faults.length > 0) {
    throw new IndexerError(`nothing was imported:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  }
  return contracts;
}

function entriesOf(text: string): readonly { readonly place: string; readonly value: unknown }[] {
  if (text.trimStart().startsWith('[')) {
    const list = parsed(text);
    if (Array.isArray(list)) return list.map((value, i) => ({ place: `entry ${i + 1}`, value }));
    return [{ place: 'the file', value: undefined }];
  }
  return text
    .split('\n')
    .map((line, i) => ({ place: `line ${i + 1}`, line: line.trim() }))
    .filter(({ line }) => line !== '')
    .map(({ place, line }) => ({ place, value: parsed(line) }));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
