import { decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem/utils';
import type { Hex } from '../kernel/chain.ts';
import { IndexerError, RpcError } from '../kernel/errors.ts';
import { isRevert } from '../rpc/revert.ts';
import type { ContractCall, ContractCalls, Source } from '../source/source.ts';

/** Multicall3 has this address on nearly every chain (https://www.multicall3.com). */
const MULTICALL3: Hex = '0xca11bde05977b3631167028862be2a173976ca11';
const ABI = parseAbi([
  'struct Call3 { address target; bool allowFailure; bytes callData; }',
  'struct Result { bool success; bytes returnData; }',
  'function aggregate3(Call3[] calls) payable returns (Result[] returnData)',
]);

/** The maximum number of calls that one call of Multicall3 makes. Nodes limit the gas of an `eth_call`, often to 50 million. */
const CALLS_MAX = 400;
/** The maximum number of Multicall3 calls in one JSON-RPC batch. With one word per call, each answer has 128 KB of hex text. */
const BATCH_CALLS_MAX = 8;

/** The methods of a source (the RPC endpoints of a chain) with which view functions are called. */
type CallSource = Pick<Source, 'calls' | 'codeAt'>;

/** The data that a view function returned, or `reverted`. */
export type ViewAnswer = Hex | 'reverted';

/** Returns the answers of view functions as of a block, in the order of the calls. Throws every error except a revert. */
export async function askViews(
  source: Pick<Source, 'calls'>,
  calls: ContractCalls,
  signal: AbortSignal,
): Promise<readonly ViewAnswer[]> {
  const results = await source.calls(calls, signal);
  return results.map((result) => {
    if (!(result instanceof RpcError)) return result;
    if (isRevert(result)) return 'reverted';
    throw result;
  });
}

/** Makes many calls to view functions, through Multicall3 if it has code at the block, otherwise in JSON-RPC batches. */
export class ViewReader {
  readonly #source: CallSource | undefined;
  /** The block at which Multicall3 was last looked up, and whether it has code there. */
  #multicall: { readonly block: number; readonly exists: boolean } | undefined;
  #callsAtOnce = CALLS_MAX;

  /** @param source undefined if no endpoint is configured. Every read then throws. */
  constructor(source: CallSource | undefined) {
    this.#source = source;
  }

  /** Returns the answers as of a block, in the order of the calls. Throws if a call fails for another reason than a revert. */
  async read(calls: readonly ContractCall[], block: number, signal: AbortSignal): Promise<readonly ViewAnswer[]> {
    if (calls.length < 2 || !(await this.#hasMulticall(block, signal))) {
      return askViews(this.#open(), { calls, blockNumber: block }, signal);
    }
    const answers = await this.#readTogether(calls, block, signal);
    // A call that fails within Multicall3 may have lacked gas, so it is repeated alone.
    const failed = answers.flatMap((answer, at) => (answer === 'reverted' ? [at] : []));
    if (failed.length === 0) return answers;
    const alone = failed.map((at) => calls[at] as ContractCall);
    const asked = await askViews(this.#open(), { calls: alone, blockNumber: block }, signal);
    const complete = [...answers];
    for (const [index, at] of failed.entries()) complete[at] = asked[index] as ViewAnswer;
    if (asked.some((answer) => answer !== 'reverted')) this.#callsAtOnce = Math.max(1, this.#callsAtOnce >> 1);
    return complete;
  }

  #open(): CallSource {
    if (this.#source === undefined) throw new IndexerError('no endpoint is configured');
    return this.#source;
  }

  /** Returns whether a contract has code at a block. */
  hasCode(contract: Hex, block: number, signal: AbortSignal): Promise<boolean> {
    return this.#open().codeAt(contract, block, signal);
  }

  async #hasMulticall(block: number, signal: AbortSignal): Promise<boolean> {
    if (this.#multicall?.block !== block) {
      this.#multicall = { block, exists: await this.hasCode(MULTICALL3, block, signal) };
    }
    return this.#multicall.exists;
  }

  async #readTogether(
    calls: readonly ContractCall[],
    block: number,
    signal: AbortSignal,
  ): Promise<readonly ViewAnswer[]> {
    const size = this.#callsAtOnce;
    const parts = Array.from({ length: Math.ceil(calls.length / size) }, (_, at) =>
      calls.slice(at * size, (at + 1) * size),
    );
    const together = parts.map((part) => ({ to: MULTICALL3, data: encodeCalls(part) }));
    const request = { calls: together, blockNumber: block, maxCalls: BATCH_CALLS_MAX };
    const answers = await askViews(this.#open(), request, signal).catch((error: unknown) => {
      if (isAboutSize(error)) return [];
      throw error;
    });
    return parts.flatMap((part, at) => decodeAnswers(answers[at] ?? 'reverted', part.length));
  }
}

/** Returns whether a node may have refused calls because Multicall3 made them together. Each of them is then made without Multicall3. */
function isAboutSize(error: unknown): boolean {
  if (!(error instanceof RpcError)) return false;
  return (
    error.kind === 'rejected' || error.kind === 'range-refused' || (error.kind === 'unavailable' && error.answered)
  );
}

function encodeCalls(calls: readonly ContractCall[]): Hex {
  const args = calls.map(({ to, data }) => ({ target: to, allowFailure: true, callData: data }));
  return encodeFunctionData({ abi: ABI, functionName: 'aggregate3', args: [args] });
}

/** Decodes the answer of Multicall3 to `count` calls. If the answer does not hold `count` results, every call counts as reverted. */
function decodeAnswers(answer: ViewAnswer, count: number): readonly ViewAnswer[] {
  const failed = () => Array.from({ length: count }, (): ViewAnswer => 'reverted');
  if (answer === 'reverted' || answer === '0x') return failed();
  const results = decodeFunctionResult({ abi: ABI, functionName: 'aggregate3', data: answer });
  if (results.length !== count) return failed();
  return results.map(({ success, returnData }): ViewAnswer => (success ? returnData : 'reverted'));
}
