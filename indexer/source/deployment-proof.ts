import type { Hex } from '../kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../kernel/errors.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { MAX_BLOCK_BYTES } from '../rpc/json-rpc.ts';
import type { Pool } from '../rpc/pool.ts';
import { unknownBlock } from './blocks.ts';
import { parseBytes, parseHeader, parseObject, parseQuantity, toQuantity } from './parse.ts';
import { readReceipt } from './receipts.ts';
import { verifyRequested } from './verify.ts';

/**
 * What the chain says about a block in which a contract seems to have been deployed:
 *
 * - `created`: the receipt of a transaction of the block names the contract as the one that it created.
 * - `agreed`: an endpoint repeatedly said that the contract has code and a nonce in the block, and neither in the block before. It also
 *   showed that it has the state of the block before. This is the proof for contracts that a factory created: no receipt names them.
 * - `older`: an endpoint returned code of the contract in the block before.
 * - `unproved`: none of these.
 *
 * `timestamp` is the timestamp of the block, in Unix seconds.
 */
export type DeploymentProof =
  | { readonly outcome: 'created'; readonly transaction: Hex; readonly timestamp: number }
  | { readonly outcome: 'agreed'; readonly timestamp: number }
  | { readonly outcome: 'older' }
  | { readonly outcome: 'unproved'; readonly because: string };

/** How many times an endpoint must say that the contract is new in the block, and how many times it is asked at most. */
const AGREEMENTS = 3;
const ROUNDS_MAX = 10;
/** Maximum number of senders, and of receivers, whose state is requested to see whether an endpoint has the state of a block. */
const WITNESSES_MAX = 4;

/** Proves that a contract was deployed in a block, or says why this cannot be proved. Throws if no endpoint answers. */
export async function proveDeployment(
  pool: Pool,
  address: Hex,
  number: number,
  signal: AbortSignal | undefined,
): Promise<DeploymentProof> {
  const block = await orUndefined(pool.run((endpoint) => readTransactions(endpoint, number, signal), { signal }));
  if (block === undefined) return unproved(`no endpoint has the transactions of block ${number}`);
  for (const { hash, to } of block.transactions) {
    if (to !== null) continue;
    const receipt = await orUndefined(
      pool.run((endpoint) => readReceipt(endpoint, hash, block.hash, signal), { signal }),
    );
    if (receipt?.contractAddress === address)
      return { outcome: 'created', transaction: hash, timestamp: block.timestamp };
  }
  const question = { address, number, witnesses: witnessesOf(block.transactions), signal };
  const answers = await orUndefined(pool.runOnEach((endpoint) => examine(endpoint, question)));
  const outcomes = (answers ?? []).map(({ value }) => value);
  if (outcomes.includes('older')) return { outcome: 'older' };
  if (outcomes.includes('agreed')) return { outcome: 'agreed', timestamp: block.timestamp };
  const why = outcomes.includes('contradiction')
    ? `it has a nonce but no code in block ${number - 1}`
    : `no endpoint shows that it has the state of block ${number - 1}`;
  return unproved(`no transaction of block ${number} created it, and ${why}`);
}

function unproved(because: string): DeploymentProof {
  return { outcome: 'unproved', because };
}

/** Returns the value, or undefined if an error says that the endpoints do not serve a request of this kind. */
async function orUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** Returns whether an error says that an endpoint does not have or serve the requested data, rather than that the endpoint failed. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof RpcError) || error.kind === 'rate-limited') return false;
  return error.kind !== 'unavailable' || error.answered;
}

type Transaction = {
  readonly hash: Hex;
  readonly from: Hex | undefined;
  /** Null for a transaction that creates a contract. */
  readonly to: Hex | null;
  readonly nonce: number | undefined;
};

async function readTransactions(endpoint: Endpoint, number: number, signal: AbortSignal | undefined) {
  const options = { signal, maxBytes: MAX_BLOCK_BYTES };
  const raw = await endpoint.request('eth_getBlockByNumber', [toQuantity(number), true], options);
  if (raw === null) throw unknownBlock(endpoint, `the endpoint does not have block ${number}`);
  const header = parseHeader(raw, endpoint);
  verifyRequested(header, number);
  const { transactions } = parseObject(raw, 'block');
  if (!Array.isArray(transactions)) throw new RpcInconsistency('the block has no list of transactions');
  return { ...header, transactions: transactions.map(parseTransaction) };
}

function parseTransaction(raw: unknown): Transaction {
  const { hash, from, to, nonce } = parseObject(raw, 'transaction');
  const lower = (text: unknown) => String(text).toLowerCase() as Hex;
  if (typeof hash !== 'string' || !/^0x[0-9a-f]{64}$/i.test(hash)) throw new RpcInconsistency('malformed transaction');
  return {
    hash: lower(hash),
    from: typeof from === 'string' ? lower(from) : undefined,
    to: typeof to === 'string' ? lower(to) : null,
    nonce: typeof nonce === 'string' ? parseQuantity(nonce, 'nonce') : undefined,
  };
}

/** Accounts that the transactions of a block name. A node that does not know them lacks the state of the block before. */
type Witnesses = {
  /** Senders, and how many transactions they had sent before the block. */
  readonly senders: readonly { readonly address: Hex; readonly nonce: number }[];
  /** Receivers. A receiver that is a contract had code before the block, unless the block itself created it. */
  readonly receivers: readonly Hex[];
};

function witnessesOf(transactions: readonly Transaction[]): Witnesses {
  const nonces = new Map<Hex, number>();
  for (const { from, nonce } of transactions) {
    if (from !== undefined && nonce !== undefined) nonces.set(from, Math.min(nonce, nonces.get(from) ?? nonce));
  }
  const senders = [...nonces].filter(([, nonce]) => nonce > 0).map(([address, nonce]) => ({ address, nonce }));
  const receivers = new Set(transactions.flatMap(({ to }) => to ?? []));
  return { senders: senders.slice(0, WITNESSES_MAX), receivers: [...receivers].slice(0, WITNESSES_MAX) };
}

type Question = {
  readonly address: Hex;
  readonly number: number;
  readonly witnesses: Witnesses;
  readonly signal: AbortSignal | undefined;
};

/** Asks one endpoint repeatedly for the state of the contract and of the witnesses, in the block and in the block before. */
async function examine(
  endpoint: Endpoint,
  question: Question,
): Promise<'older' | 'agreed' | 'contradiction' | 'no state'> {
  let agreements = 0;
  for (let round = 0; round < (agreements === 0 ? AGREEMENTS : ROUNDS_MAX); round++) {
    if (agreements === AGREEMENTS) return 'agreed';
    try {
      const answer = await ask(endpoint, question);
      if (answer === 'older' || answer === 'contradiction') return answer;
      if (answer === 'agreed') agreements++;
    } catch (error) {
      if (isRefusal(error)) return 'no state';
      if (!(error instanceof RpcInconsistency)) throw error;
    }
  }
  return agreements === AGREEMENTS ? 'agreed' : 'no state';
}

async function ask(endpoint: Endpoint, { address, number, witnesses, signal }: Question) {
  const before = stateReader(endpoint, number - 1, signal);
  const at = stateReader(endpoint, number, signal);
  // There is no block before the genesis block, and no transaction created the contracts in it.
  if (number === 0) return (await at.hasCode(address)) ? 'agreed' : 'no state';
  if (await before.hasCode(address)) return 'older';
  if ((await before.nonce(address)) > 0) return 'contradiction';
  // EIP-161: a contract begins with nonce 1.
  if (!(await at.hasCode(address)) || !((await at.nonce(address)) > 0)) return 'no state';
  return (await knowsSenders(before, witnesses)) && (await knowsReceivers(before, at, witnesses))
    ? 'agreed'
    : 'no state';
}

type StateReader = ReturnType<typeof stateReader>;

async function knowsSenders(before: StateReader, { senders }: Witnesses): Promise<boolean> {
  for (const { address, nonce } of senders) if ((await before.nonce(address)) === nonce) return true;
  return false;
}

/** Returns whether some receiver already had code in the block before. Also true if no receiver is a contract. */
async function knowsReceivers(before: StateReader, at: StateReader, { receivers }: Witnesses): Promise<boolean> {
  let areAccounts = true;
  for (const receiver of receivers) {
    if (await before.hasCode(receiver)) return true;
    if (await at.hasCode(receiver)) areAccounts = false;
  }
  return areAccounts;
}

function stateReader(endpoint: Endpoint, number: number, signal: AbortSignal | undefined) {
  const request = (method: string, address: Hex) => endpoint.request(method, [address, toQuantity(number)], { signal });
  return {
    hasCode: async (address: Hex) => parseBytes(await request('eth_getCode', address), 'code').length > 2,
    nonce: async (address: Hex) => parseQuantity(await request('eth_getTransactionCount', address), 'nonce'),
  };
}
