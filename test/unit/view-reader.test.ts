import { decodeFunctionData, encodeFunctionResult, parseAbi } from 'viem';
import { describe, expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { RpcError } from '../../indexer/kernel/errors.ts';
import type { ContractCall } from '../../indexer/source/source.ts';
import { type ViewAnswer, ViewReader } from '../../indexer/verify/multicall.ts';
import { addressOf, hexOf } from '../kit/event-logs.ts';

const ABI = parseAbi([
  'struct Call3 { address target; bool allowFailure; bytes callData; }',
  'struct Result { bool success; bytes returnData; }',
  'function aggregate3(Call3[] calls) payable returns (Result[] returnData)',
]);
const MULTICALL3 = '0xca11bde05977b3631167028862be2a173976ca11';
const SIGNAL = new AbortController().signal;

/** Returns a call that answers its own number, or reverts if the number is odd. */
const callOf = (number: number): ContractCall => ({ to: addressOf(1), data: hexOf(number, 8) });
const answerTo = ({ data }: Pick<ContractCall, 'data'>): ViewAnswer =>
  Number(data) % 2 === 1 ? 'reverted' : hexOf(Number(data), 64);

type Node = { readonly hasMulticall: boolean; readonly gasFor?: number; readonly refuses?: boolean };

/** Returns a reader, and the number of calls in each request. Within one Multicall3 call, all calls after the first `gasFor` fail. */
function readerOver({ hasMulticall, gasFor = Number.POSITIVE_INFINITY, refuses = false }: Node) {
  const requests: number[] = [];
  const together = (data: Hex): Hex => {
    const { args } = decodeFunctionData({ abi: ABI, data });
    const results = args[0].map(({ callData }, at) => {
      const answer = at < gasFor ? answerTo({ data: callData }) : 'reverted';
      return { success: answer !== 'reverted', returnData: answer === 'reverted' ? ('0x' as const) : answer };
    });
    return encodeFunctionResult({ abi: ABI, functionName: 'aggregate3', result: results });
  };
  const reader = new ViewReader({
    codeAt: async (address) => address === MULTICALL3 && hasMulticall,
    calls: async ({ calls }) => {
      requests.push(calls.length);
      if (refuses && calls[0]?.to === MULTICALL3) return calls.map(() => new RpcError('rejected', 'out of gas'));
      return calls.map((call) => {
        const answer = call.to === MULTICALL3 ? together(call.data) : answerTo(call);
        return answer === 'reverted' ? new RpcError('rejected', 'execution reverted') : answer;
      });
    },
  });
  return { reader, requests };
}

const CALLS = Array.from({ length: 1_000 }, (_, number) => callOf(number));
const ANSWERS = CALLS.map(answerTo);

describe('many view functions are read', () => {
  test('in batches without Multicall3', async () => {
    const { reader, requests } = readerOver({ hasMulticall: false });
    expect(await reader.read(CALLS, 5, SIGNAL)).toEqual(ANSWERS);
    expect(requests).toEqual([1_000]);
  });

  test('together with Multicall3; what reverts is asked alone', async () => {
    const { reader, requests } = readerOver({ hasMulticall: true });
    expect(await reader.read(CALLS, 5, SIGNAL)).toEqual(ANSWERS);
    expect(requests).toEqual([3, 500]);
  });

  test('alone where they lack gas together, and in smaller groups afterwards', async () => {
    const { reader, requests } = readerOver({ hasMulticall: true, gasFor: 300 });
    expect(await reader.read(CALLS, 5, SIGNAL)).toEqual(ANSWERS);
    expect(await reader.read(CALLS, 5, SIGNAL)).toEqual(ANSWERS);
    expect(requests).toEqual([3, 600, 5, 500]);
  });

  test('alone where a node refuses them together', async () => {
    const { reader } = readerOver({ hasMulticall: true, refuses: true });
    expect(await reader.read(CALLS, 5, SIGNAL)).toEqual(ANSWERS);
  });
});
