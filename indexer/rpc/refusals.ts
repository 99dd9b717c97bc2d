import type { RpcErrorKind } from '../kernel/errors.ts';
import { RPC_CODE } from './json-rpc.ts';
import { REVERT_WORDS } from './revert.ts';

/** An error response, in the provider's own words. */
export type Refusal = {
  readonly method: string;
  /** The number of blocks that an `eth_getLogs` asked for; undefined for a request by block hash. */
  readonly blocks?: number | undefined;
  /** The HTTP status, unless it was 2xx. */
  readonly status?: number | undefined;
  /** The JSON-RPC error's code. */
  readonly code?: number | undefined;
  readonly text: string;
};

/** The kind of error that a refusal is. The hints are the numbers of blocks and addresses that the provider says it accepts. */
export type Classification = {
  readonly kind: RpcErrorKind;
  readonly hintBlocks?: number | undefined;
  readonly hintAddresses?: number | undefined;
};

/**
 * How to react to a refusal.
 *
 * - `narrow to hint`: the text names a range of blocks that works. The two groups of the pattern are the ends of this range.
 * - `narrow to N`: ask for at most N blocks. The text names N, as the last group of the pattern, or the row does (`blocks`).
 * - `halve`: ask for half as many blocks.
 * - `fewer addresses`: name fewer addresses in the filter, or name some where it named none.
 * - `wait`: slow down; the size of the range does not matter.
 * - `other endpoint`: this endpoint is unavailable for now.
 * - `behind`: the node does not have the block, because it lags behind or the block was reorganised. The caller reads the head again.
 * - `pruned`: the node has deleted this part of history.
 * - `rejected`: the request is wrong, or the method is not supported.
 */
type Reaction =
  | 'narrow to hint'
  | 'narrow to N'
  | 'halve'
  | 'fewer addresses'
  | 'wait'
  | 'other endpoint'
  | 'behind'
  | 'pruned'
  | 'rejected';

/**
 * A kind of refusal, and the reaction to it. A row matches if `codes` has the JSON-RPC code or HTTP status of the refusal (or is absent)
 * and `words` matches its text (or is absent).
 */
type Row = {
  /** The provider or the kind of node that uses these words. */
  readonly who: string;
  readonly means: Reaction;
  readonly codes?: readonly number[];
  readonly words?: RegExp;
  /** The maximum number of blocks, for a provider whose text does not name it (only with `narrow to N`). */
  readonly blocks?: number;
  /** Whether the row matches only requests for more than one block. */
  readonly ofMany?: boolean;
};

/** Methods whose responses can be too large. For other methods, a refusal is never classified as one about size or ranges. */
export const RANGE_METHODS: ReadonlySet<string> = new Set(['eth_getLogs', 'eth_getBlockReceipts']);

const N = '([\\d,_.]+ ?(?:[km]\\b)?)';
const END = '(0x[0-9a-f]+|\\d+)';
/** `MUCH` and `TOO` are words about size. Together they match the texts of providers that have no row of their own. */
const MUCH = '\\b(?:range|blocks|results|logs|response)\\b';
const TOO = '\\b(?:limit(?:ed|s)?|max(?:imum)?|exceed(?:s|ed)?|too)\\b';
const words = (pattern: string) => new RegExp(pattern, 'i');

/**
 * How nodes and providers refuse requests. The first matching row decides. Rows about pruned history and missing blocks come before rows
 * about ranges; of these, rows with a range that works come first, then rows with a number of blocks, then `halve`. Rate limits follow.
 * Code -32005 means a range limit or a rate limit, so only the text tells which. Rows that guess from general words or codes come later.
 */
const ROWS: readonly Row[] = [
  { who: 'EIP-4444', means: 'pruned', codes: [RPC_CODE.prunedHistory] },
  {
    who: 'EIP-4444',
    means: 'pruned',
    words: words('pruned history|history (?:has been|is|was) pruned|block (?:is|was|has been) pruned'),
  },
  {
    who: 'geth, Besu',
    means: 'pruned',
    words: words('missing trie node|historical state (?:.* )?(?:not |un)available|world state unavailable'),
  },
  {
    who: 'gateways, Erigon',
    means: 'pruned',
    words: words(
      'does not (?:maintain|have|keep) (?:the )?(?:archiv\\w*|historical) (?:data|state)|state pruning|lowest (?:available )?(?:height|block) is \\d+|state (?:is|was|has been) pruned|(?:state|data) older than',
    ),
  },
  {
    who: 'Reth, Nethermind',
    means: 'pruned',
    words: words('state (?:at|for) block .*(?:pruned|not available)|no state available for block'),
  },

  { who: 'Infura, Chainstack', means: 'behind', words: words('block range extends beyond current head') },
  { who: 'Avalanche', means: 'behind', words: words('after last accepted block|cannot query unfinalized data') },
  { who: 'geth', means: 'behind', words: words('unknown block|header not found|header for hash not found') },
  {
    who: 'Erigon, Nethermind',
    means: 'behind',
    words: words('block not found|block (?:hash )?\\S* ?(?:was )?not found|could not find block'),
  },
  { who: 'Parity, OpenEthereum', means: 'behind', words: words('one of the blocks specified in filter') },
  { who: 'Besu, Nethermind', means: 'behind', words: words('resource not found|block is not available') },

  {
    who: 'gateways',
    means: 'fewer addresses',
    words: words(`(?:exceeds?|more than|max\\w*)[^\\d]{0,24}${N} (?:addresses|contracts)`),
  },
  {
    who: 'geth, zkSync, Moonbeam, Linea',
    means: 'fewer addresses',
    words: words(
      '(?:less|fewer) (?:number of )?addresses|(?:exceed\\w*|too many|max\\w*|limit\\w*) (?:\\w+ ){0,4}(?:addresses|contracts)|addresses? (?:\\w+ ){0,3}(?:limit|exceed|too many)',
    ),
  },
  {
    who: 'gateways',
    means: 'fewer addresses',
    words: words(
      '(?:specify|provide|include|must (?:contain|have|name)|requires?) (?:an? |at least one |the )?(?:contract )?address|address(?: filter| field| parameter)? (?:is|must be) (?:required|specified|provided)|missing address',
    ),
  },

  { who: 'Alchemy', means: 'narrow to hint', words: words(`this block range should work: \\[${END}, ?${END}\\]`) },
  { who: 'Infura, zkSync', means: 'narrow to hint', words: words(`try with this block range \\[${END}, ?${END}\\]`) },
  { who: 'Reth', means: 'narrow to hint', words: words(`retry with the range ${END} ?(?:-|to|,) ?${END}`) },
  { who: 'Infura (newer)', means: 'narrow to N', words: words(`range [\\d,]+ exceeds limit of ${N}`) },
  {
    who: 'QuickNode, 1RPC, Blast',
    means: 'narrow to N',
    words: words(`limited to an? ${N}(?!\\S* ?(?:/|req|call|per))`),
  },
  { who: 'BlockPI', means: 'narrow to N', words: words(`limited to ${N} ?-?block`) },
  { who: 'Ankr', means: 'narrow to N', words: words(`maximum \\[from, to\\] blocks distance: ${N}`) },
  { who: 'Moonriver', means: 'narrow to N', words: words(`\\(maximum:? ${N}\\)`) },
  { who: 'Ankr', means: 'narrow to N', words: words('block range is too wide'), blocks: 3_000 },
  { who: 'dRPC', means: 'narrow to N', words: words(`ranges over ${N} blocks are not supported`) },
  { who: 'Cloudflare', means: 'narrow to N', words: words(`max range: ${N}`) },
  { who: 'PublicNode', means: 'narrow to N', words: words(`maximum block range: ${N}`) },
  { who: 'thirdweb', means: 'narrow to N', words: words(`maximum allowed number of requested blocks is ${N}`) },
  { who: 'Coinbase', means: 'narrow to N', words: words(`at most ${N} blocks`) },
  { who: 'Merkle', means: 'narrow to N', words: words(`range is too large, max is ${N} blocks`) },
  {
    who: 'Avalanche',
    means: 'narrow to N',
    words: words(`requested too many blocks from \\d+ to \\d+, maximum is set to ${N}`),
  },
  { who: 'Hyperliquid, Reth', means: 'narrow to N', words: words(`query exceeds max block range ${N}`) },
  { who: 'Aurora', means: 'narrow to N', words: words(`up to an? ${N} block range`) },
  { who: 'Tron', means: 'narrow to N', words: words(`exceed max block range: ${N}`) },
  { who: 'Erigon', means: 'narrow to N', words: words(`block range exceeds server limit, narrow your filter: ${N}`) },

  { who: 'Chainstack', means: 'halve', words: words('block range limit exceeded') },
  { who: 'Scroll', means: 'halve', words: words('block range is bigger than maxblockrange') },
  { who: 'Besu', means: 'halve', words: words('requested range exceeds maximum range limit') },
  { who: 'Erigon', means: 'halve', words: words('query returns too many logs') },
  { who: 'Nethermind', means: 'halve', words: words('too many logs requested') },
  {
    who: 'geth',
    means: 'halve',
    words: words(
      'query returned more than|query exceeds max results|logs matched by query exceeds|more than [\\d,]+ (?:logs|results)|too many (?:results|logs|blocks)',
    ),
  },
  {
    who: 'gateways',
    means: 'halve',
    words: words(
      'response (?:is )?too (?:large|big)|response size (?:is larger|should not|exceed|limit)|range (?:is )?too (?:large|wide|big)|exceeds? (?:the )?(?:max(?:imum)? )?(?:block )?range',
    ),
  },
  {
    who: 'gateways',
    means: 'halve',
    words: words('query timeout|query timed out|execution timeout|took too long|context deadline exceeded'),
  },
  { who: 'HTTP', means: 'halve', codes: [413] },

  { who: 'HTTP', means: 'wait', codes: [429] },
  { who: 'QuickNode', means: 'wait', codes: [RPC_CODE.requestRateExceeded] },
  {
    who: 'Infura, Ankr, Alchemy',
    means: 'wait',
    words: words(
      'rate.?limit|request rate|too many requests|request limit|requests? per (?:second|minute|day)|calls per second|quota|throttl|compute units|(?:exceeded|over) .*capacity|daily request|slow down',
    ),
  },

  { who: 'unknown providers', means: 'halve', words: words(`${MUCH}.*${TOO}|${TOO}.*${MUCH}`) },

  { who: 'geth', means: 'rejected', codes: [RPC_CODE.executionReverted] },
  {
    who: 'nodes',
    means: 'rejected',
    words: words(`${REVERT_WORDS}|out of gas|gas required exceeds`),
  },
  // Providers also report range limits with this code, in words that change.
  { who: 'Alchemy, Infura, Reth', means: 'halve', codes: [RPC_CODE.invalidParams], ofMany: true },
  {
    who: 'JSON-RPC',
    means: 'rejected',
    codes: [RPC_CODE.methodNotFound, RPC_CODE.invalidParams, RPC_CODE.methodNotSupported],
  },
  {
    who: 'nodes',
    means: 'rejected',
    words: words(
      'method .*(?:not (?:found|supported|available|exist|allowed)|does not exist)|(?:unsupported|unknown) method',
    ),
  },
  {
    who: 'nodes',
    means: 'rejected',
    words: words('unknown field|invalid (?:argument|params)|block ?hash .*(?:not supported|unsupported)'),
  },
  {
    who: 'chains without finality',
    means: 'rejected',
    words: words('(?:finalized|tag)\\b.*not (?:supported|available)|pre-merge'),
  },
  { who: 'gateways', means: 'other endpoint', words: words('no backend is currently healthy') },
  { who: 'HTTP', means: 'other endpoint', codes: [502, 503, 504] },
];

/**
 * Classifies a refusal by the table above. A refusal that matches no row is `unavailable`. The request is then sent again, to another
 * endpoint if there is one, and a range of blocks is requested in smaller parts.
 */
export function classifyRefusal(refusal: Refusal): Classification {
  const isRangeMethod = RANGE_METHODS.has(refusal.method);
  for (const row of ROWS) {
    const narrows = row.means === 'narrow to hint' || row.means === 'narrow to N' || row.means === 'halve';
    if (narrows && !isRangeMethod) continue;
    if (row.means === 'fewer addresses' && refusal.method !== 'eth_getLogs') continue;
    if (row.ofMany === true && !((refusal.blocks ?? 0) > 1)) continue;
    if (row.codes !== undefined && !row.codes.some((code) => code === refusal.code || code === refusal.status))
      continue;
    const match = row.words?.exec(refusal.text);
    if (row.words !== undefined && !match) continue;
    return toClassification(row, match ?? undefined);
  }
  return { kind: 'unavailable' };
}

function toClassification(row: Row, match: RegExpExecArray | undefined): Classification {
  switch (row.means) {
    case 'narrow to hint':
      return { kind: 'range-refused', hintBlocks: positive(Number(match?.[2]) - Number(match?.[1]) + 1) };
    case 'narrow to N':
      return { kind: 'range-refused', hintBlocks: row.blocks ?? positive(parseAmount(match?.at(-1) ?? '')) };
    case 'halve':
      return { kind: 'range-refused' };
    case 'fewer addresses':
      return { kind: 'addresses-refused', hintAddresses: positive(parseAmount(match?.at(1) ?? '')) };
    case 'wait':
      return { kind: 'rate-limited' };
    case 'behind':
      return { kind: 'unknown-block' };
    case 'pruned':
    case 'rejected':
      return { kind: row.means };
    case 'other endpoint':
      return { kind: 'unavailable' };
  }
}

/** Parses `10,000`, `1k`, `2_000`, `1.5K` and `800.` (at the end of a sentence). */
function parseAmount(text: string): number {
  const [, digits = '', unit = ''] = /^([\d,_.]*\d)[,_.]* ?([km]?)/i.exec(text) ?? [];
  const factor = { k: 1_000, m: 1_000_000 }[unit.toLowerCase()] ?? 1;
  return Math.floor(Number(digits.replace(/[,_]/g, '')) * factor);
}

function positive(value: number): number | undefined {
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/**
 * Returns how many calls of a batch would fit, if the text says that the batch or its response is too large; otherwise undefined.
 * Examples: `batch limit 100 exceeded` (Erigon), `batch too large` (geth), `response too large` (geth, for calls beyond its response
 * limit), `Batch of more than 3 requests are not allowed` (dRPC). If the text names no number, returns half of the calls.
 */
export function fittingBatch(text: string, calls: number): number | undefined {
  const sized = /\bbatch/i.test(text) && /\b(?:limit|max|exceed|too|more than|at most|up to|size)/i.test(text);
  if (!sized && !/\b(?:response|request|payload|entity|body)\b.*\btoo (?:large|big)\b/i.test(text)) return undefined;
  const named = [...text.matchAll(/\d+/g)].map(Number).filter((count) => count > 0 && count < calls);
  return sized && named.length > 0 ? Math.max(...named) : Math.max(1, Math.floor(calls / 2));
}
