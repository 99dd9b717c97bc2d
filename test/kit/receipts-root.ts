import { concat, type Hex, keccak256, size, toRlp } from 'viem';
import { bloomOf, type ChainBlock, type ChainLog } from './chain.ts';

/** A node of a Merkle–Patricia trie, as RLP encodes it. */
type Node = Hex | readonly Node[];
type Pair = { readonly path: readonly number[]; readonly value: Hex };

/** Caches receipts roots by block hash. */
const roots = new Map<Hex, Hex>();
/** keccak-256 of the RLP of an empty string. */
const EMPTY_ROOT: Hex = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421';

/** Returns the receipts root of a block of the chain in memory. Does not use the library and the encoder of the program under test. */
export function receiptsRootOf(block: ChainBlock): Hex {
  if (block.transactions.length === 0) return EMPTY_ROOT;
  const known = roots.get(block.hash);
  if (known !== undefined) return known;
  const root = rootOfReceipts(
    block.transactions.map((_, index) => ({
      cumulativeGasUsed: cumulativeGasUsed(index),
      logs: logsOf(block, index),
    })),
  );
  roots.set(block.hash, root);
  return root;
}

/** The parts of a successful receipt that its encoding holds. */
type EncodedReceipt = {
  readonly cumulativeGasUsed: number;
  readonly logs: readonly Pick<ChainLog, 'address' | 'topics' | 'data'>[];
};

/** Returns the root of the trie of the receipts of a block, all of `RECEIPT_TYPE`. */
export function rootOfReceipts(receipts: readonly EncodedReceipt[]): Hex {
  const pairs = receipts.map((receipt, index) => ({
    path: [...toRlp(integer(index)).slice(2)].map((digit) => Number.parseInt(digit, 16)),
    value: concat([RECEIPT_TYPE, toRlp(consensusReceipt(receipt))]),
  }));
  return keccak256(toRlp(nodeOf(pairs) as Hex));
}

/** The type of every transaction of the chain in memory. */
export const RECEIPT_TYPE: Hex = '0x02';

/** Returns the gas that a transaction of the chain in memory used. */
export function gasUsed(index: number): number {
  return 21_000 + index;
}

/** Returns the gas that the transactions of a block used, up to and including one. */
export function cumulativeGasUsed(index: number): number {
  return Array.from({ length: index + 1 }, (_, at) => gasUsed(at)).reduce((sum, gas) => sum + gas, 0);
}

/** Returns the logs of a transaction. */
export function logsOf(block: ChainBlock, index: number): ChainLog[] {
  return block.logs.filter((log) => log.transactionIndex === index);
}

function consensusReceipt({ cumulativeGasUsed, logs }: EncodedReceipt) {
  const entries = logs.map(({ address, topics, data }) => [address, [...topics], data]);
  return ['0x01' as Hex, integer(cumulativeGasUsed), bloomOf(logs), entries];
}

/** Returns the trie node for some pairs (Yellow Paper, appendix D). */
function nodeOf(pairs: readonly Pair[]): Node {
  const [first] = pairs;
  if (first === undefined) return '0x';
  if (pairs.length === 1) return [compactPath(first.path, true), first.value];
  let shared = 0;
  while (pairs.every(({ path }) => path[shared] === first.path[shared])) shared++;
  const below = (skip: number, some: readonly Pair[]) =>
    some.map(({ path, value }) => ({ path: path.slice(skip), value }));
  if (shared > 0) return [compactPath(first.path.slice(0, shared), false), referenceTo(nodeOf(below(shared, pairs)))];
  const children = Array.from({ length: 16 }, (_, digit) =>
    referenceTo(
      nodeOf(
        below(
          1,
          pairs.filter(({ path }) => path[0] === digit),
        ),
      ),
    ),
  );
  return [...children, '0x'];
}

function referenceTo(node: Node): Node {
  const encoded = toRlp(node as Hex);
  return node === '0x' || size(encoded) < 32 ? node : keccak256(encoded);
}

function compactPath(path: readonly number[], isLeaf: boolean): Hex {
  const flag = isLeaf ? 2 : 0;
  const digits = path.length % 2 === 0 ? [flag, 0, ...path] : [flag + 1, ...path];
  return `0x${digits.map((digit) => digit.toString(16)).join('')}`;
}

function integer(value: number): Hex {
  const digits = value.toString(16);
  return value === 0 ? '0x' : `0x${digits.padStart(digits.length + (digits.length % 2), '0')}`;
}
