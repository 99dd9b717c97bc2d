import type { Hex } from '../../kernel/chain.ts';
import type { Identity } from '../protocol.ts';
import { administrativeDecoders } from '../shared/administration.ts';
import { mayRunOtherCode } from '../shared/bytecode.ts';
import type { ChainReader } from '../shared/chain-reader.ts';
import { type Nature, natureInstead } from '../shared/nature.ts';
import { dividendV1Events, dividendV2Events, dividendV3Events } from './decoders.ts';

/**
 * The first topics of the events of dividend contracts of any version, as they stand in code: without zeros in front, which compilers leave
 * out. Other contracts emit administrative events too.
 */
const TOPICS: readonly string[] = [dividendV1Events, dividendV2Events, dividendV3Events].flatMap((events) =>
  [...events].flatMap(([topic, { name }]) => (name in administrativeDecoders ? [] : topic.replace(/^0x(00)*/, ''))),
);

const OTHERS: readonly Nature[] = ['solidly', 'uniswapV3', 'erc721', 'erc1155', 'erc20'];

/**
 * Returns whether a contract is a dividend contract. There is no function that all of them have, and the tokens themselves may pay
 * dividends, so answers alone prove nothing. Compilers write the first topic of an event into the code that emits it:
 *
 * - A contract whose code holds such a topic is a dividend contract, whatever else it is. The version is not compared, because a new
 *   contract has version 1.0 until an operator says otherwise.
 * - A contract that answers as another standard requires, and whose code holds no such topic and runs no code of others, is none. It is
 *   quarantined. A proxy is not, whatever it answers, because the topics are in the code behind it.
 * - Of any other contract this tells nothing for certain.
 */
export async function identifyDividend(reader: ChainReader, address: Hex, signal: AbortSignal): Promise<Identity> {
  const code = await reader.code(address, signal);
  if (code !== undefined && TOPICS.some((topic) => code.includes(topic))) return found(true, null);
  const isKnown = code !== undefined && !mayRunOtherCode(code);
  const other = await natureInstead(reader, address, OTHERS, signal);
  if (other === null) return found(null, isKnown ? 'has no event of a dividend contract in its code' : null);
  if (!isKnown) return found(null, other.name);
  // Like the answers of a contract, its code counts only if it is given twice.
  const isCertain = (await reader.code(address, signal)) === code;
  return found(isCertain ? false : null, `${other.name} and has no event of a dividend contract in its code`);
}

function found(speaks: boolean | null, note: string | null): Identity {
  return { columns: {}, speaks, note };
}
