import type { RpcErrorKind } from '../kernel/errors.ts';

/** A request that was not answered, in the node's own words. */
export type Refusal = {
  readonly method: string;
  /** How many blocks an `eth_getLogs` asked for; undefined of one that named a block by its hash. */
  readonly blocks?: number | undefined;
  /** The HTTP status, where it was not 2xx. */
  readonly status?: number | undefined;
  /** The JSON-RPC error's code. */
  readonly code?: number | undefined;
  readonly text: string;
};

/** What a refusal means; `hintBlocks` is how many blocks the provider says it would serve. */
export type Meaning = { readonly kind: RpcErrorKind; readonly hintBlocks?: number | undefined };

/**
 * - `narrow to hint`: the words name a range that works; the two groups are its ends.
 * - `narrow to N`: the words name how many blocks work; the last group is that number, where there is one.
 * - `halve`: ask for half as much.
 * - `wait`: slow down; the range is not at fault.
 * - `other endpoint`: this one cannot answer now.
 * - `behind`: the node has not the block, or not any longer: ask for the head again.
 * - `pruned`: the node will never have it.
 * - `rejected`: the request itself is at fault, or the method is not served.
 */
type Means = 'narrow to hint' | 'narrow to N' | 'halve' | 'wait' | 'other endpoint' | 'behind' | 'pruned' | 'rejected';

/** A row applies where the code or status is one of `codes` (or none is listed) and the words match (or none are listed). */
type Row = {
  readonly who: string;
  readonly means: Means;
  readonly codes?: readonly number[];
  readonly words?: RegExp;
  /** For `narrow to N` where the words name no number. */
  readonly blocks?: number;
  /** Only where more than one block was asked for. */
  readonly ofMany?: boolean;
};

/** Only these can be asked for less; to any other request the words of a range mean nothing. */
export const RANGE_METHODS: ReadonlySet<string> = new Set(['eth_getLogs', 'eth_getBlockReceipts']);

const N = '([\\d,_.]+ ?(?:[km]\\b)?)';
const END = '(0x[0-9a-f]+|\\d+)';
/** What is left of words about size when no row above knew them. */
const MUCH = '\\b(?:range|blocks|results|logs|response)\\b';
const TOO = '\\b(?:limit(?:ed|s)?|max(?:imum)?|exceed(?:s|ed)?|too)\\b';
const words = (pattern: string) => new RegExp(pattern, 'i');

/**
 * How nodes and providers refuse. The first row that applies decides: pruned history and missing blocks before ranges,
 * hints before numbers before halving, ranges before rates (since -32005 stands for both and only the words tell).
 */
const ROWS: readonly Row[] = [
  { who: 'EIP-4444', means: 'pruned', codes: [4444] },
  {
    who: 'EIP-4444',
    means: 'pruned',
    words: words('pruned history|history (?:has been|is|was) pruned|block (?:is|was|has been) pruned'),
  },
  { who: 'geth', means: 'pruned', words: words('missing trie node|historical state (?:.* )?(?:not |un)available') },
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
  { who: 'QuickNode', means: 'wait', codes: [-32007] },
  {
    who: 'Infura, Ankr, Alchemy',
    means: 'wait',
    words: words(
      'rate.?limit|request rate|too many requests|request limit|requests? per (?:second|minute|day)|calls per second|quota|throttl|compute units|(?:exceeded|over) .*capacity|daily request|slow down',
    ),
  },

  { who: 'anyone', means: 'halve', words: words(`${MUCH}.*${TOO}|${TOO}.*${MUCH}`) },

  { who: 'geth', means: 'rejected', codes: [3] },
  {
    who: 'nodes',
    means: 'rejected',
    words: words(
      'revert|invalid opcode|out of gas|stack (?:under|over)flow|invalid jump|vm execution error|gas required exceeds',
    ),
  },
  // What providers put their caps under, in words that change.
  { who: 'Alchemy, Infura, Reth', means: 'halve', codes: [-32602], ofMany: true },
  { who: 'JSON-RPC', means: 'rejected', codes: [-32601, -32602, -32004] },
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
 * What a refusal means, by the one table of providers' words. What no row knows is `unavailable`: it is tried again, then
 * elsewhere, and a range is asked for in smaller parts.
 */
export function meaningOf(refusal: Refusal): Meaning {
  const ranged = RANGE_METHODS.has(refusal.method);
  for (const row of ROWS) {
    const narrows = row.means === 'narrow to hint' || row.means === 'narrow to N' || row.means === 'halve';
    if (narrows && !ranged) continue;
    if (row.ofMany === true && !((refusal.blocks ?? 0) > 1)) continue;
    if (row.codes !== undefined && !row.codes.some((code) => code === refusal.code || code === refusal.status))
      continue;
    const match = row.words?.exec(refusal.text);
    if (row.words !== undefined && !match) continue;
    return read(row, match ?? undefined);
  }
  return { kind: 'unavailable' };
}

function read(row: Row, match: RegExpExecArray | undefined): Meaning {
  switch (row.means) {
    case 'narrow to hint':
      return { kind: 'range-refused', hintBlocks: positive(Number(match?.[2]) - Number(match?.[1]) + 1) };
    case 'narrow to N':
      return { kind: 'range-refused', hintBlocks: row.blocks ?? positive(numberOf(match?.at(-1) ?? '')) };
    case 'halve':
      return { kind: 'range-refused' };
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

/** `10,000`, `1k`, `2_000`, `1.5K`, `800.` (the end of a sentence). */
function numberOf(text: string): number {
  const [, digits = '', unit = ''] = /^([\d,_.]*\d)[,_.]* ?([km]?)/i.exec(text) ?? [];
  const factor = { k: 1_000, m: 1_000_000 }[unit.toLowerCase()] ?? 1;
  return Math.floor(Number(digits.replace(/[,_]/g, '')) * factor);
}

function positive(value: number): number | undefined {
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/**
 * Whether a text says that a batch held too many calls or that its answer would be too large, and how many calls would do:
 * `batch limit 100 exceeded` (Erigon), `batch too large` (geth), `response too large` (geth, for what its limit left out),
 * `Batch of more than 3 requests are not allowed` (dRPC). Where it names no number, half.
 */
export function fittingBatch(text: string, calls: number): number | undefined {
  const sized = /\bbatch/i.test(text) && /\b(?:limit|max|exceed|too|more than|at most|up to|size)/i.test(text);
  if (!sized && !/\b(?:response|request|payload|entity|body)\b.*\btoo (?:large|big)\b/i.test(text)) return undefined;
  const named = [...text.matchAll(/\d+/g)].map(Number).filter((count) => count > 0 && count < calls);
  return sized && named.length > 0 ? Math.max(...named) : Math.max(1, Math.floor(calls / 2));
}
