import type { AbiEvent } from 'viem';
import type { Decoder } from './decoder.ts';
import { decodeStrict } from './strict-event.ts';

/** A decoder, by viem, of an event that has no table of its own. */
export function contractEventDecoder(event: AbiEvent): Decoder {
  return (origin, sink) => {
    const args = decodeStrict(event, origin.log);
    if (args === null) return false;
    sink.contractEvents.push({ ...origin, event: event.name, arguments: args });
    return true;
  };
}
