import { hexToBytes, toHex, toRlp } from 'viem/utils';
import type { Hex, RawLog } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';
import type { Blooms } from './bloom.ts';

/** A log of a receipt. Its log index may be missing or wrong. */
export type ReceiptLog = Omit<RawLog, 'logIndex'> & { readonly logIndex: number | undefined };

/** A receipt as the node gave it, and its logs. */
export type BlockReceipt = {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly logs: readonly ReceiptLog[];
};

/** All receipts of a block, in the order of its transactions, and the members of the block's header that describe them. */
export type BlockReceipts = {
  readonly number: number;
  readonly hash: Hex;
  readonly logsBloom: Hex;
  /** The receipts root in the header. Undefined if the node gave none. */
  readonly receiptsRoot: Hex | undefined;
  /** The hashes of the transactions that the block lists. */
  readonly transactions: ReadonlySet<string>;
  readonly receipts: readonly BlockReceipt[];
};

/** Proves the receipts of blocks by the receipts roots of their headers. */
export type ReceiptRoots = {
  /**
   * Returns whether the receipts root of the block proves the receipts. Returns false if the root does not match because the chain computes
   * its roots in another way than Ethereum, or because receipts have an unknown type.
   *
   * @throws {RpcInconsistency} if the root does not match although the chain computes roots as Ethereum does, or may do so.
   */
  verify(endpoint: string, block: BlockReceipts, signal: AbortSignal | undefined): Promise<boolean>;
  /** Returns whether blocks around this one were seen to have receipts roots that are computed as on Ethereum. */
  isStandardAt(number: number): boolean;
};

/** The transaction type of an OP-stack deposit. */
const DEPOSIT_TYPE = 0x7e;
/** Transaction types whose receipts this program encodes in the same way as the clients of Ethereum and of the OP stack. */
export const KNOWN_TYPES: readonly number[] = [0, 1, 2, 3, 4, DEPOSIT_TYPE];

/** Returns the type of the transaction of a receipt (EIP-2718). */
export function typeOf({ raw }: BlockReceipt): number {
  return raw.type == null ? 0 : Number(raw.type);
}

/**
 * Returns the root of the trie of a block's receipts (Yellow Paper, 4.3.1), or undefined if they lack a value that the root needs.
 *
 * The blooms are computed from the logs. A receipt of an unknown type is encoded like one of type 2. If that is wrong, the computed
 * root differs, so that equal roots always prove the receipts.
 */
export async function receiptsRootOf(receipts: readonly BlockReceipt[], blooms: Blooms): Promise<Hex | undefined> {
  // The library takes a tenth of a second to load, and most processes never prove a receipt.
  const { createMPT } = await import('@ethereumjs/mpt');
  const trie = await createMPT();
  for (const [index, receipt] of receipts.entries()) {
    const encoded = encodeReceipt(receipt, blooms);
    if (encoded === undefined) return undefined;
    await trie.put(hexToBytes(toRlp(integer(index))), encoded);
  }
  return toHex(trie.root());
}

/** Encodes a receipt (EIP-658, EIP-2718; a deposit as in the OP stack's Canyon upgrade). Returns undefined if it lacks a value. */
function encodeReceipt(receipt: BlockReceipt, blooms: Blooms): Uint8Array | undefined {
  const { raw, logs } = receipt;
  const type = typeOf(receipt);
  const outcome = raw.status == null ? stateRoot(raw.root) : quantity(raw.status);
  const gas = quantity(raw.cumulativeGasUsed);
  if (outcome === undefined || gas === undefined || !(type >= 0 && type < 0xc0)) return undefined;
  const fields = [
    outcome,
    gas,
    toHex(blooms.ofLogs(logs)),
    logs.map(({ address, topics, data }) => [address, [...topics], data]),
  ];
  // Before the OP stack's Canyon upgrade, the nonce of a deposit was not part of the encoding of its receipt.
  if (type === DEPOSIT_TYPE && raw.depositReceiptVersion != null) {
    const [nonce, version] = [quantity(raw.depositNonce), quantity(raw.depositReceiptVersion)];
    if (nonce === undefined || version === undefined) return undefined;
    fields.push(nonce, version);
  }
  const body = toRlp(fields, 'bytes');
  if (type === 0) return body;
  // A receipt may have megabytes, which is more than a function accepts as spread arguments.
  const typed = new Uint8Array(body.length + 1);
  typed[0] = type;
  typed.set(body, 1);
  return typed;
}

/** Returns the state root that receipts before Byzantium hold instead of a status. */
function stateRoot(raw: unknown): Hex | undefined {
  return typeof raw === 'string' && /^0x[0-9a-f]{64}$/i.test(raw) ? (raw as Hex) : undefined;
}

function quantity(raw: unknown): Hex | undefined {
  return typeof raw === 'string' && /^0x[0-9a-f]{1,16}$/i.test(raw) ? integer(BigInt(raw)) : undefined;
}

/** Returns an integer as RLP encodes it: its bytes without leading zeros. */
function integer(value: number | bigint): Hex {
  if (BigInt(value) === 0n) return '0x';
  const digits = value.toString(16);
  return digits.length % 2 === 0 ? `0x${digits}` : `0x0${digits}`;
}

/** Creates the error for receipts that have another root than the header of their block says. */
export function anotherRoot({ number, hash }: BlockReceipts): RpcInconsistency {
  return new RpcInconsistency('the receipts of a block have another root than its header says', {
    context: { number, hash },
  });
}
