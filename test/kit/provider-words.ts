import type { RpcErrorKind } from '../../indexer/kernel/errors.ts';
import type { CapRequest } from './chain-rpc.ts';

/** How one provider refuses a range: over a number of blocks, or over a number of logs. */
export type ProviderCap = {
  readonly who: string;
  readonly over: 'blocks' | 'logs';
  readonly code: number;
  /** The words, for a request that passed `limit`. */
  readonly words: (request: CapRequest, limit: number) => string;
  /** How many blocks the words say would do. */
  readonly hint?: (request: CapRequest, limit: number) => number;
};

const hex = (number: number) => `0x${number.toString(16)}`;
const limited = (_: CapRequest, limit: number) => limit;
/** A provider's own suggestion: half of what was asked. */
const half = ({ blocks }: CapRequest) => Math.max(1, Math.floor(blocks / 2));
const halfEnd = (request: CapRequest) => request.from + half(request) - 1;

/** How providers refuse a request for its size, in their own words. */
export const PROVIDER_CAPS: readonly ProviderCap[] = [
  {
    who: 'Alchemy',
    over: 'logs',
    code: -32602,
    words: (request) =>
      'Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or you can request any block range with a cap of 10K logs in the response. ' +
      `Based on your parameters and the response size limit, this block range should work: [${hex(request.from)}, ${hex(halfEnd(request))}]`,
    hint: half,
  },
  {
    who: 'Infura',
    over: 'logs',
    code: -32005,
    words: (request, limit) =>
      `query returned more than ${limit} results. Try with this block range [${hex(request.from)}, ${hex(halfEnd(request))}].`,
    hint: half,
  },
  {
    who: 'zkSync',
    over: 'logs',
    code: -32602,
    words: (request, limit) =>
      `Query returned more than ${limit} results. Try with this block range [${hex(request.from)}, ${hex(halfEnd(request))}].`,
    hint: half,
  },
  {
    who: 'Infura (newer)',
    over: 'blocks',
    code: -32602,
    words: ({ blocks }, limit) => `range ${blocks} exceeds limit of ${limit}`,
    hint: limited,
  },
  {
    who: 'QuickNode',
    over: 'blocks',
    code: -32614,
    words: (_, limit) => `eth_getLogs is limited to a ${limit.toLocaleString('en')} blocks range`,
    hint: limited,
  },
  {
    who: '1RPC',
    over: 'blocks',
    code: -32000,
    words: (_, limit) => `eth_getLogs is limited to a ${limit} blocks range`,
    hint: limited,
  },
  {
    who: 'Blast',
    over: 'blocks',
    code: -32000,
    words: (_, limit) => `eth_getLogs and eth_newFilter are limited to a ${limit} range`,
    hint: limited,
  },
  {
    who: 'BlockPI',
    over: 'blocks',
    code: -32000,
    words: (_, limit) => `eth_getLogs is limited to ${limit} block range`,
    hint: limited,
  },
  { who: 'Ankr', over: 'blocks', code: -32600, words: () => 'block range is too wide', hint: () => 3_000 },
  {
    who: 'Ankr (with a number)',
    over: 'blocks',
    code: -32600,
    words: (_, limit) => `maximum [from, to] blocks distance: ${limit}`,
    hint: limited,
  },
  {
    who: 'dRPC',
    over: 'blocks',
    code: 35,
    words: (_, limit) => `ranges over ${limit} blocks are not supported on freetier`,
    hint: limited,
  },
  {
    who: 'Chainstack',
    over: 'blocks',
    code: -32000,
    words: () => 'Block range limit exceeded. See more details at docs.chainstack.com',
  },
  {
    who: 'Cloudflare',
    over: 'blocks',
    code: -32047,
    words: (_, limit) => `Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: ${limit}`,
    hint: limited,
  },
  {
    who: 'PublicNode',
    over: 'blocks',
    code: -32701,
    words: (_, limit) => `exceed maximum block range: ${limit}`,
    hint: limited,
  },
  {
    who: 'thirdweb',
    over: 'blocks',
    code: -32000,
    words: (_, limit) => `Maximum allowed number of requested blocks is ${limit}`,
    hint: limited,
  },
  {
    who: 'Coinbase',
    over: 'blocks',
    code: -32000,
    words: (_, limit) => `please limit the query to at most ${limit} blocks`,
    hint: limited,
  },
  {
    who: 'Merkle',
    over: 'blocks',
    code: -32000,
    words: () => 'range is too large, max is 1k blocks',
    hint: () => 1_000,
  },
  {
    who: 'Avalanche',
    over: 'blocks',
    code: -32000,
    words: ({ from, to }, limit) => `requested too many blocks from ${from} to ${to}, maximum is set to ${limit}`,
    hint: limited,
  },
  {
    who: 'Hyperliquid, Reth',
    over: 'blocks',
    code: -32602,
    words: (_, limit) => `query exceeds max block range ${limit}`,
    hint: limited,
  },
  {
    who: 'Reth (the range that was refused)',
    over: 'logs',
    code: -32602,
    words: ({ from, to }, limit) => `query exceeds max results ${limit}, retry with the range ${from}-${to}`,
    hint: ({ blocks }) => blocks,
  },
  {
    who: 'Aurora',
    over: 'blocks',
    code: -32000,
    words: (_, limit) => `You can make eth_getLogs requests with up to a ${limit} block range`,
    hint: limited,
  },
  {
    who: 'Moonriver',
    over: 'blocks',
    code: -32603,
    words: (_, limit) => `block range is too wide (maximum ${limit})`,
    hint: limited,
  },
  { who: 'Tron', over: 'blocks', code: -32000, words: (_, limit) => `exceed max block range: ${limit}`, hint: limited },
  { who: 'Scroll', over: 'blocks', code: -32000, words: () => 'block range is bigger than maxBlockRange' },
  { who: 'Besu', over: 'blocks', code: -32005, words: () => 'Requested range exceeds maximum range limit' },
  {
    who: 'Erigon (range)',
    over: 'blocks',
    code: -32000,
    words: (_, limit) => `query block range exceeds server limit, narrow your filter: ${limit}`,
    hint: limited,
  },
  {
    who: 'Erigon',
    over: 'logs',
    code: -32000,
    words: (_, limit) => `query returns too many logs, narrow your filter: ${limit}`,
  },
  {
    who: 'Nethermind',
    over: 'logs',
    code: -32005,
    words: (_, limit) => `Too many logs requested. Max logs per response is ${limit}.`,
  },
  { who: 'geth', over: 'logs', code: -32005, words: (_, limit) => `query returned more than ${limit} results` },
  { who: 'geth (max results)', over: 'logs', code: -32000, words: (_, limit) => `query exceeds max results ${limit}` },
  {
    who: 'geth (matched)',
    over: 'logs',
    code: -32000,
    words: (_, limit) => `logs matched by query exceeds limit of ${limit}`,
  },
  { who: 'many (more than)', over: 'logs', code: -32000, words: (_, limit) => `more than ${limit} logs` },
  { who: 'many (backend response)', over: 'logs', code: -32000, words: () => 'backend response too large' },
  { who: 'many (too big)', over: 'logs', code: -32008, words: () => 'Response is too big' },
];

/** Refusals that have nothing to do with the size of a range. */
export const PROVIDER_REFUSALS: readonly {
  readonly who: string;
  readonly kind: RpcErrorKind;
  readonly code?: number;
  readonly status?: number;
  readonly message: string;
}[] = [
  { who: 'gateways', kind: 'unavailable', code: -32011, message: 'no backend is currently healthy to serve traffic' },
  { who: 'gateways', kind: 'unavailable', status: 502, message: '<html>Bad Gateway</html>' },
  { who: 'gateways', kind: 'unavailable', status: 503, message: 'Service Unavailable' },
  { who: 'gateways', kind: 'unavailable', status: 504, message: 'Gateway Timeout' },
  { who: 'many', kind: 'rate-limited', status: 429, message: 'Too Many Requests' },
  {
    who: 'Alchemy',
    kind: 'rate-limited',
    code: 429,
    message: 'Your app has exceeded its compute units per second capacity',
  },
  { who: 'Infura', kind: 'rate-limited', code: -32005, message: 'daily request count exceeded, request rate limited' },
  { who: 'Infura', kind: 'rate-limited', code: -32005, message: 'project ID request rate exceeded' },
  { who: 'many', kind: 'rate-limited', code: -32005, message: 'quota exceeded' },
  {
    who: 'QuickNode',
    kind: 'rate-limited',
    code: -32007,
    message: '15/second request limit reached - reduce calls per second',
  },
  { who: 'QuickNode', kind: 'rate-limited', code: -32000, message: 'your plan is limited to a 15 requests per second' },
  { who: 'Infura', kind: 'unknown-block', code: -32000, message: 'block range extends beyond current head block' },
  {
    who: 'Avalanche',
    kind: 'unknown-block',
    code: -32000,
    message: 'requested to block 100 after last accepted block 90',
  },
  { who: 'geth', kind: 'unknown-block', code: -32000, message: 'unknown block' },
  { who: 'geth', kind: 'unknown-block', code: -32000, message: 'header not found' },
  {
    who: 'Parity',
    kind: 'unknown-block',
    code: -32000,
    message: 'One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found',
  },
  { who: 'Parity', kind: 'unknown-block', code: -32000, message: 'one of the blocks specified in filter is not found' },
  { who: 'EIP-4444', kind: 'pruned', code: 4444, message: 'anything' },
  { who: 'EIP-4444', kind: 'pruned', code: -32000, message: 'pruned history unavailable' },
  {
    who: 'geth',
    kind: 'pruned',
    code: -32000,
    message: 'missing trie node 1f2e (path ) state 0x1f2e is not available',
  },
  { who: 'geth', kind: 'pruned', code: -32000, message: 'required historical state unavailable (reexec=128)' },
  { who: 'geth', kind: 'rejected', code: 3, message: 'execution reverted: no such token' },
  { who: 'Nethermind', kind: 'rejected', code: -32015, message: 'VM execution error.' },
  {
    who: 'many',
    kind: 'rejected',
    code: -32601,
    message: 'the method eth_getBlockReceipts does not exist/is not available',
  },
  { who: 'no one known', kind: 'unavailable', code: -32000, message: 'internal server trouble' },
];
