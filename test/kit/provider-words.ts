import type { RpcErrorKind } from '../../indexer/kernel/errors.ts';
import type { CapRequest } from './chain-rpc.ts';

/** How a provider rejects an `eth_getLogs` request that exceeds its limit on blocks or on logs. */
export type ProviderCap = {
  readonly name: string;
  readonly cap: 'blocks' | 'logs';
  readonly code: number;
  /** Returns the error message for a request that exceeds `limit`. */
  readonly text: (request: CapRequest, limit: number) => string;
  /** Returns the number of blocks that the message suggests. */
  readonly hint?: (request: CapRequest, limit: number) => number;
};

const hex = (number: number) => `0x${number.toString(16)}`;
const limitItself = (_: CapRequest, limit: number) => limit;
/** Returns half of the requested number of blocks. */
const half = ({ blocks }: CapRequest) => Math.max(1, Math.floor(blocks / 2));
const halfEnd = (request: CapRequest) => request.from + half(request) - 1;

/** The messages with which providers reject a request for its size. */
export const PROVIDER_CAPS: readonly ProviderCap[] = [
  {
    name: 'Alchemy',
    cap: 'logs',
    code: -32602,
    text: (request) =>
      'Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or you can request any block range with a cap of 10K logs in the response. ' +
      `Based on your parameters and the response size limit, this block range should work: [${hex(request.from)}, ${hex(halfEnd(request))}]`,
    hint: half,
  },
  {
    name: 'Infura',
    cap: 'logs',
    code: -32005,
    text: (request, limit) =>
      `query returned more than ${limit} results. Try with this block range [${hex(request.from)}, ${hex(halfEnd(request))}].`,
    hint: half,
  },
  {
    name: 'zkSync',
    cap: 'logs',
    code: -32602,
    text: (request, limit) =>
      `Query returned more than ${limit} results. Try with this block range [${hex(request.from)}, ${hex(halfEnd(request))}].`,
    hint: half,
  },
  {
    name: 'Infura (newer)',
    cap: 'blocks',
    code: -32602,
    text: ({ blocks }, limit) => `range ${blocks} exceeds limit of ${limit}`,
    hint: limitItself,
  },
  {
    name: 'QuickNode',
    cap: 'blocks',
    code: -32614,
    text: (_, limit) => `eth_getLogs is limited to a ${limit.toLocaleString('en')} blocks range`,
    hint: limitItself,
  },
  {
    name: '1RPC',
    cap: 'blocks',
    code: -32000,
    text: (_, limit) => `eth_getLogs is limited to a ${limit} blocks range`,
    hint: limitItself,
  },
  {
    name: 'Blast',
    cap: 'blocks',
    code: -32000,
    text: (_, limit) => `eth_getLogs and eth_newFilter are limited to a ${limit} range`,
    hint: limitItself,
  },
  {
    name: 'BlockPI',
    cap: 'blocks',
    code: -32000,
    text: (_, limit) => `eth_getLogs is limited to ${limit} block range`,
    hint: limitItself,
  },
  { name: 'Ankr', cap: 'blocks', code: -32600, text: () => 'block range is too wide', hint: () => 3_000 },
  {
    name: 'Ankr (with a number)',
    cap: 'blocks',
    code: -32600,
    text: (_, limit) => `maximum [from, to] blocks distance: ${limit}`,
    hint: limitItself,
  },
  {
    name: 'dRPC',
    cap: 'blocks',
    code: 35,
    text: (_, limit) => `ranges over ${limit} blocks are not supported on freetier`,
    hint: limitItself,
  },
  {
    name: 'Chainstack',
    cap: 'blocks',
    code: -32000,
    text: () => 'Block range limit exceeded. See more details at docs.chainstack.com',
  },
  {
    name: 'Cloudflare',
    cap: 'blocks',
    code: -32047,
    text: (_, limit) => `Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: ${limit}`,
    hint: limitItself,
  },
  {
    name: 'PublicNode',
    cap: 'blocks',
    code: -32701,
    text: (_, limit) => `exceed maximum block range: ${limit}`,
    hint: limitItself,
  },
  {
    name: 'thirdweb',
    cap: 'blocks',
    code: -32000,
    text: (_, limit) => `Maximum allowed number of requested blocks is ${limit}`,
    hint: limitItself,
  },
  {
    name: 'Coinbase',
    cap: 'blocks',
    code: -32000,
    text: (_, limit) => `please limit the query to at most ${limit} blocks`,
    hint: limitItself,
  },
  {
    name: 'Merkle',
    cap: 'blocks',
    code: -32000,
    text: () => 'range is too large, max is 1k blocks',
    hint: () => 1_000,
  },
  {
    name: 'Avalanche',
    cap: 'blocks',
    code: -32000,
    text: ({ from, to }, limit) => `requested too many blocks from ${from} to ${to}, maximum is set to ${limit}`,
    hint: limitItself,
  },
  {
    name: 'Hyperliquid, Reth',
    cap: 'blocks',
    code: -32602,
    text: (_, limit) => `query exceeds max block range ${limit}`,
    hint: limitItself,
  },
  {
    name: 'Reth (suggests the rejected range)',
    cap: 'logs',
    code: -32602,
    text: ({ from, to }, limit) => `query exceeds max results ${limit}, retry with the range ${from}-${to}`,
    hint: ({ blocks }) => blocks,
  },
  {
    name: 'Aurora',
    cap: 'blocks',
    code: -32000,
    text: (_, limit) => `You can make eth_getLogs requests with up to a ${limit} block range`,
    hint: limitItself,
  },
  {
    name: 'Moonriver',
    cap: 'blocks',
    code: -32603,
    text: (_, limit) => `block range is too wide (maximum ${limit})`,
    hint: limitItself,
  },
  {
    name: 'Tron',
    cap: 'blocks',
    code: -32000,
    text: (_, limit) => `exceed max block range: ${limit}`,
    hint: limitItself,
  },
  { name: 'Scroll', cap: 'blocks', code: -32000, text: () => 'block range is bigger than maxBlockRange' },
  { name: 'Besu', cap: 'blocks', code: -32005, text: () => 'Requested range exceeds maximum range limit' },
  {
    name: 'Erigon (range)',
    cap: 'blocks',
    code: -32000,
    text: (_, limit) => `query block range exceeds server limit, narrow your filter: ${limit}`,
    hint: limitItself,
  },
  {
    name: 'Erigon',
    cap: 'logs',
    code: -32000,
    text: (_, limit) => `query returns too many logs, narrow your filter: ${limit}`,
  },
  {
    name: 'Nethermind',
    cap: 'logs',
    code: -32005,
    text: (_, limit) => `Too many logs requested. Max logs per response is ${limit}.`,
  },
  { name: 'geth', cap: 'logs', code: -32005, text: (_, limit) => `query returned more than ${limit} results` },
  { name: 'geth (max results)', cap: 'logs', code: -32000, text: (_, limit) => `query exceeds max results ${limit}` },
  {
    name: 'geth (matched)',
    cap: 'logs',
    code: -32000,
    text: (_, limit) => `logs matched by query exceeds limit of ${limit}`,
  },
  { name: 'many (more than)', cap: 'logs', code: -32000, text: (_, limit) => `more than ${limit} logs` },
  { name: 'many (backend response)', cap: 'logs', code: -32000, text: () => 'backend response too large' },
  { name: 'many (too big)', cap: 'logs', code: -32008, text: () => 'Response is too big' },
];

/** Error responses of providers for reasons other than the size of a range. */
export const PROVIDER_REFUSALS: readonly {
  readonly name: string;
  readonly kind: RpcErrorKind;
  readonly code?: number;
  readonly status?: number;
  readonly message: string;
}[] = [
  { name: 'gateways', kind: 'unavailable', code: -32011, message: 'no backend is currently healthy to serve traffic' },
  { name: 'gateways', kind: 'unavailable', status: 502, message: '<html>Bad Gateway</html>' },
  { name: 'gateways', kind: 'unavailable', status: 503, message: 'Service Unavailable' },
  { name: 'gateways', kind: 'unavailable', status: 504, message: 'Gateway Timeout' },
  { name: 'many', kind: 'rate-limited', status: 429, message: 'Too Many Requests' },
  {
    name: 'Alchemy',
    kind: 'rate-limited',
    code: 429,
    message: 'Your app has exceeded its compute units per second capacity',
  },
  { name: 'Infura', kind: 'rate-limited', code: -32005, message: 'daily request count exceeded, request rate limited' },
  { name: 'Infura', kind: 'rate-limited', code: -32005, message: 'project ID request rate exceeded' },
  { name: 'many', kind: 'rate-limited', code: -32005, message: 'quota exceeded' },
  {
    name: 'QuickNode',
    kind: 'rate-limited',
    code: -32007,
    message: '15/second request limit reached - reduce calls per second',
  },
  {
    name: 'QuickNode',
    kind: 'rate-limited',
    code: -32000,
    message: 'your plan is limited to a 15 requests per second',
  },
  { name: 'Infura', kind: 'unknown-block', code: -32000, message: 'block range extends beyond current head block' },
  {
    name: 'Avalanche',
    kind: 'unknown-block',
    code: -32000,
    message: 'requested to block 100 after last accepted block 90',
  },
  { name: 'geth', kind: 'unknown-block', code: -32000, message: 'unknown block' },
  { name: 'geth', kind: 'unknown-block', code: -32000, message: 'header not found' },
  {
    name: 'Parity',
    kind: 'unknown-block',
    code: -32000,
    message: 'One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found',
  },
  {
    name: 'Parity',
    kind: 'unknown-block',
    code: -32000,
    message: 'one of the blocks specified in filter is not found',
  },
  { name: 'EIP-4444', kind: 'pruned', code: 4444, message: 'anything' },
  { name: 'EIP-4444', kind: 'pruned', code: -32000, message: 'pruned history unavailable' },
  {
    name: 'geth',
    kind: 'pruned',
    code: -32000,
    message: 'missing trie node 1f2e (path ) state 0x1f2e is not available',
  },
  { name: 'geth', kind: 'pruned', code: -32000, message: 'required historical state unavailable (reexec=128)' },
  { name: 'geth', kind: 'rejected', code: 3, message: 'execution reverted: no such token' },
  { name: 'Nethermind', kind: 'rejected', code: -32015, message: 'VM execution error.' },
  {
    name: 'many',
    kind: 'rejected',
    code: -32601,
    message: 'the method eth_getBlockReceipts does not exist/is not available',
  },
  { name: 'unknown provider', kind: 'unavailable', code: -32000, message: 'internal server trouble' },
];
