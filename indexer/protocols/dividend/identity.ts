import type { Hex } from '../../kernel/chain.ts';
import type { Identity } from '../protocol.ts';
import { administrativeDecoders } from '../shared/administration.ts';
import { mayRunOtherCode } from '../shared/bytecode.ts';
import type { ChainReader } from '../shared/chain-reader.ts';
import { findOtherStandard, type Standard } from '../shared/standards.ts';
import { dividendV1Events, dividendV2Events, dividendV3Events } from './decoders.ts';

/**
 * The first topics of the events of dividend contracts of any version, as compilers write them into code: without leading zero bytes.
 * Administrative events are left out, because other contracts emit them too.
 */
const TOPICS: readonly string[] = [dividendV1Events, dividendV2Events, dividendV3Events].flatMap((events) =>
  [...events].flatMap(([topic, { name }]) => (name in administrativeDecoders ? [] : topic.replace(/^0x(00)*/, ''))),
);

const OTHER_STANDARDS: readonly Standard[] = ['solidly', 'uniswapV3', 'erc721', 'erc1155', 'erc20'];

/**
 * Returns whether a contract is a dividend contract. Dividend contracts have no function in common, and token contracts may pay dividends
 * themselves. So answers to calls alone prove nothing. But compilers write the first topic of an event into the code that emits the event:
 *
 * - A contract whose code contains the first topic of a dividend event is a dividend contract, whatever else it is. The event may be of any
 *   ABI version, because a new contract has version 1.0 until the platform or an operator specifies another.
 * - A contract is not a dividend contract if it answers as another standard requires, its code contains no topic of a dividend event, and
 *   its code cannot run code of other contracts. It is then quarantined. A proxy is not quarantined, because the topics are in the code to
 *   which it delegates.
 * - Nothing is certain about any other contract.
 */
export async function identifyDividend(reader: ChainReader, address: Hex, signal: AbortSignal): Promise<Identity> {
  const code = await reader.code(address, signal);
  if (code !== undefined && TOPICS.some((topic) => code.includes(topic))) return found(true, null);
  const isKnown = code !== undefined && !mayRunOtherCode(code);
  const other = await findOtherStandard(reader, address, OTHER_STANDARDS, signal);
  if (other === null) return found(null, isKnown ? 'has no event of a dividend contract in its code' : null);
  if (!isKnown) return found(null, other.name);
  // The code counts only if a second read returns the same code, as answers count only if they are given twice (`findOtherStandard`).
  const isCertain = (await reader.code(address, signal)) === code;
  return found(isCertain ? false : null, `${other.name} and has no event of a dividend contract in its code`);
}

function found(speaks: boolean | null, note: string | null): Identity {
  return { columns: {}, speaks, note };
}
