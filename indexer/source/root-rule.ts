import type { BlockHeader } from '../kernel/chain.ts';
import { Aborted, ConfigError, RpcError, RpcInconsistency } from '../kernel/errors.ts';
import { mapInBatches } from '../rpc/batch.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import type { EndpointNotice } from '../rpc/notice.ts';
import type { Pool } from '../rpc/pool.ts';
import { type Blooms, isEmptyBloom } from './bloom.ts';
import { parseHeader, parseObject, toQuantity } from './parse.ts';
import { readReceipts } from './receipts.ts';
import {
  anotherRoot,
  type BlockReceipt,
  type BlockReceipts,
  KNOWN_TYPES,
  type ReceiptRoots,
  receiptsRootOf,
  typeOf,
} from './receipts-root.ts';

/** Headers are read at these distances around a block: every distance up to `NEAR_BLOCKS`, and two to the power of each of `FAR_POWERS`. */
const NEAR_BLOCKS = 24;
const FAR_POWERS = [5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20];
/**
 * Maximum number of blocks whose receipts are read from each endpoint to learn how the chain computes receipts roots. If no block has the
 * root that Ethereum would compute, and one endpoint has at least `OTHER_BLOCKS_MIN` blocks with another root, the chain computes receipts
 * roots in another way than Ethereum.
 */
const PROBED_BLOCKS = 6;
const OTHER_BLOCKS_MIN = 3;
/** What was learnt at a block is assumed for this many blocks on each side of it. */
const REACH_BLOCKS = 10_000;
/** How long a chain counts as one that computes receipts roots in another way than Ethereum. */
const OTHER_MS = 3_600_000;
/** Pause after an attempt that did not show how the chain computes receipts roots. */
const UNKNOWN_MS = 10_000;

type Span = { readonly from: number; readonly to: number };

type RootRuleDeps = {
  readonly pool: Pool;
  readonly blooms: Blooms;
  readonly notice: (notice: EndpointNotice) => void;
  readonly now: () => number;
};

/**
 * Creates the check of receipts against the receipts root in the header. It learns whether the chain computes these roots as Ethereum does.
 *
 * A single block whose root matches shows that it does. If the root of a block does not match, blocks around it are read from every
 * healthy endpoint. A node that hides logs cannot switch the check off: its receipts count as evidence that the chain computes roots in
 * another way only if they set every bit of their block's bloom and skip no log index, and one matching root at any endpoint outweighs
 * them all. As long as it is unknown how the chain computes roots, receipts whose root does not match are refused.
 */
export function createReceiptRoots({ pool, blooms, notice, now }: RootRuleDeps): ReceiptRoots {
  /** The range of blocks in which receipts roots are computed as on Ethereum. */
  let standard: Span | undefined;
  /** The range of blocks in which receipts roots are computed in another way, and the time until which this is assumed. */
  let other: (Span & { readonly until: number }) | undefined;
  const provedTypes = new Set(KNOWN_TYPES);
  let deciding: Promise<unknown> = Promise.resolve();
  let unknownUntil = Number.NEGATIVE_INFINITY;
  let wasNoticed = false;

  const isOtherAt = (number: number) => holds(other, number) && now() < (other?.until ?? 0);

  async function matches(block: BlockReceipts): Promise<boolean> {
    if (!isRoot(block.receiptsRoot)) return false;
    for (const receipts of rootedReceipts(block.receipts)) {
      if ((await receiptsRootOf(receipts, blooms)) !== block.receiptsRoot) continue;
      for (const receipt of receipts) provedTypes.add(typeOf(receipt));
      if (receipts.length > 0) standard = extend(standard, block.number, 0);
      if (holds(other, block.number)) other = undefined;
      return true;
    }
    return false;
  }

  async function decide(number: number, signal: AbortSignal | undefined): Promise<void> {
    if (holds(standard, number) || isOtherAt(number) || now() < unknownUntil) return;
    const rule = await probe(number, signal);
    if (rule === 'standard') standard = extend(standard, number, REACH_BLOCKS);
    if (rule === 'unknown') unknownUntil = now() + UNKNOWN_MS;
    if (rule === 'other') other = { ...extend(other, number, REACH_BLOCKS), until: now() + OTHER_MS };
  }

  async function probe(number: number, signal: AbortSignal | undefined): Promise<'standard' | 'other' | 'unknown'> {
    let most = 0;
    for (const endpoint of pool.endpoints().filter((one) => one.delayMs() === 0)) {
      const headers = await headersAround(endpoint, number, signal);
      const hasRoots = headers.some(({ hasRoot }) => hasRoot);
      // A chain may be so young that there are fewer than `OTHER_BLOCKS_MIN` blocks around this one.
      const namesNone = !hasRoots && headers.length >= Math.min(OTHER_BLOCKS_MIN, number);
      let others = namesNone ? OTHER_BLOCKS_MIN : 0;
      for (const header of hasRoots ? headersToProbe(headers, number) : []) {
        const block = await unlessRefused(readReceipts(endpoint, header, signal, 'unknown-block'));
        if (block === undefined) continue;
        if (await matches(block)) return 'standard';
        const isOfKnownTypes = block.receipts.every((receipt) => provedTypes.has(typeOf(receipt)));
        if (isOfKnownTypes && isUnsuspected(block, blooms)) others++;
      }
      most = Math.max(most, others);
    }
    return most >= OTHER_BLOCKS_MIN ? 'other' : 'unknown';
  }

  return {
    isStandardAt: (number) => holds(standard, number),
    async verify(endpoint, block, signal) {
      if (!isOtherAt(block.number)) {
        if (await matches(block)) return true;
        if (block.receipts.every((receipt) => provedTypes.has(typeOf(receipt)))) {
          // Blocks that are read at the same time decide one after the other, so that only the first one probes.
          const decision = deciding.then(() => decide(block.number, signal));
          deciding = decision.catch(() => undefined);
          await decision;
          if (!isOtherAt(block.number)) throw anotherRoot(block);
        }
      }
      if (!wasNoticed) notice({ event: 'receipts unproved', endpoint, detail: UNPROVED });
      wasNoticed = true;
      return false;
    },
  };
}

const UNPROVED =
  'receipts do not have the root that Ethereum would compute, or are of an unknown type: only blooms vouch for them';

/**
 * Returns the lists of receipts from which the receipts root may have been computed: all receipts, and, if the last one used no gas, all
 * but the last one, because some chains add a receipt for an action of the chain itself.
 */
function rootedReceipts(receipts: readonly BlockReceipt[]): (readonly BlockReceipt[])[] {
  const usedGas = receipts.at(-1)?.raw.gasUsed;
  return usedGas === '0x0' ? [receipts, receipts.slice(0, -1)] : [receipts];
}

/** Returns whether the receipts of a block show no sign of missing logs: no log index is skipped, and the logs set every bloom bit. */
function isUnsuspected({ logsBloom, receipts }: BlockReceipts, blooms: Blooms): boolean {
  const indexes = receipts.map(({ logs }) => logs.map(({ logIndex }) => logIndex));
  const countUp = (numbers: readonly (number | undefined)[]) => numbers.every((index, at) => index === at);
  const hasGaps = !countUp(indexes.flat()) && !indexes.every(countUp);
  return (
    !hasGaps &&
    (isEmptyBloom(logsBloom) ||
      blooms.covers(
        receipts.flatMap(({ logs }) => logs),
        logsBloom,
      ))
  );
}

type ProbedHeader = BlockHeader & { readonly hasRoot: boolean };

/** Returns the headers that an endpoint has of the blocks around a block. */
async function headersAround(
  endpoint: Endpoint,
  number: number,
  signal: AbortSignal | undefined,
): Promise<ProbedHeader[]> {
  const near = Array.from({ length: NEAR_BLOCKS }, (_, at) => at + 1);
  const distances = [...near, ...FAR_POWERS.map((power) => 2 ** power)];
  const numbers = distances.flatMap((distance) => [number - distance, number + distance]).filter((one) => one >= 0);
  const read = mapInBatches(endpoint, numbers, signal, async (one, requester, stop) => {
    const raw = await requester.request('eth_getBlockByNumber', [toQuantity(one), false], { signal: stop });
    return raw === null
      ? []
      : [{ ...parseHeader(raw, endpoint), hasRoot: isRoot(parseObject(raw, 'block').receiptsRoot) }];
  });
  return ((await unlessRefused(read)) ?? []).flat();
}

/** Returns at most `PROBED_BLOCKS` blocks with transactions: near blocks before far ones, then emptier blooms before fuller ones. */
function headersToProbe(headers: readonly ProbedHeader[], number: number): ProbedHeader[] {
  const isFar = (one: number) => (Math.abs(one - number) > NEAR_BLOCKS ? 1 : 0);
  const bitsOf = (bloom: string) => bloom.replaceAll('0', '').length;
  return headers
    .filter(({ transactionCount = 0 }) => transactionCount > 0)
    .sort((a, b) => isFar(a.number) - isFar(b.number) || bitsOf(a.logsBloom) - bitsOf(b.logsBloom))
    .slice(0, PROBED_BLOCKS);
}

/** Returns whether a member of a header is a receipts root. Some chains leave the receipts root out or fill it with zeros. */
function isRoot(raw: unknown): boolean {
  return typeof raw === 'string' && !/^0x0*$/.test(raw);
}

/** Returns the answer, or undefined if the endpoint fails or refuses. */
async function unlessRefused<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch((error: unknown) => {
    const isRefusal = error instanceof RpcError || error instanceof RpcInconsistency || error instanceof ConfigError;
    if (!isRefusal || error instanceof Aborted) throw error;
    return undefined;
  });
}

function holds(span: Span | undefined, number: number): boolean {
  return span !== undefined && number >= span.from && number <= span.to;
}

function extend(span: Span | undefined, number: number, reach: number): Span {
  const [from, to] = [number - reach, number + reach];
  return { from: Math.min(span?.from ?? from, from), to: Math.max(span?.to ?? to, to) };
}
