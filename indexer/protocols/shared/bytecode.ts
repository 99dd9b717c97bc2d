import type { Hex } from '../../kernel/chain.ts';

const [JUMPDEST, PUSH1, PUSH32, CALLCODE, DELEGATECALL] = [0x5b, 0x60, 0x7f, 0xf2, 0xf4];
/** STOP, JUMP, RETURN, REVERT, INVALID and SELFDESTRUCT. The instruction after one of them is reached only by a jump. */
const PATH_ENDS: ReadonlySet<number> = new Set([0x00, 0x56, 0xf3, 0xfd, 0xfe, 0xff]);
/** The first byte of code that is not plain EVM code (EIP-3541), for example of an account that delegates to a contract (EIP-7702). */
const OTHER_CODE = 0xef;

/**
 * Returns whether a contract with this code may run the code of another contract as its own, as a proxy does. This code then does not show
 * what the contract does. If the result is false, the contract certainly runs no other code, provided that the chain is an EVM chain.
 *
 * Execution begins at the first byte, and continues at a JUMPDEST after a jump. A byte 0x5b is a JUMPDEST only if it is not an argument of
 * a PUSH when the code is decoded from the first byte. So one pass from the first byte finds every instruction that can run. Bytes
 * between the end of a path and the next JUMPDEST, like the metadata that compilers append, cannot run.
 */
export function mayRunOtherCode(code: Hex): boolean {
  const bytes = Buffer.from(code.slice(2), 'hex');
  if (bytes[0] === OTHER_CODE) return true;
  let canRun = true;
  for (let at = 0; at < bytes.length; at += 1) {
    const opcode = bytes[at] ?? 0;
    if (opcode === JUMPDEST) canRun = true;
    else if (canRun && (opcode === DELEGATECALL || opcode === CALLCODE)) return true;
    else if (PATH_ENDS.has(opcode)) canRun = false;
    else if (opcode >= PUSH1 && opcode <= PUSH32) at += opcode - PUSH1 + 1;
  }
  return false;
}
