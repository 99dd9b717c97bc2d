import type { RpcError } from '../kernel/errors.ts';
import { RPC_CODE } from './json-rpc.ts';

/** A regular expression for the words with which nodes say that a contract's code aborted a call. */
export const REVERT_WORDS = 'revert|invalid opcode|stack (?:under|over)flow|invalid jump|vm execution error';

const REVERT = new RegExp(REVERT_WORDS, 'i');

/**
 * Returns whether the error of an `eth_call` says that the contract reverted. A call that ran out of gas did not revert: it may succeed
 * where more gas is allowed.
 */
export function isRevert({ kind, context, message }: RpcError): boolean {
  return kind === 'rejected' && (context.code === RPC_CODE.executionReverted || REVERT.test(message));
}
