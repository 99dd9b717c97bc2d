import type { EncodedBatch } from '../facts/encoded-batch.ts';
import type { Logger } from '../observability/log.ts';
import type { Measures } from '../observability/measures.ts';
import { administrativeEventsIn } from '../protocols/administrative-events.ts';
import { adviceOn } from '../protocols/shared/administration.ts';

/** Logs and counts the administrative events among facts that were committed at the head. Facts that fill history are not reported. */
export function reportAdministration(
  { log, measures }: { readonly log: Logger; readonly measures?: Measures | undefined },
  chainId: number,
  batch: EncodedBatch,
): void {
  for (const found of administrativeEventsIn(batch)) {
    measures?.administrativeEvent(chainId, found.event, found.alarm);
    const context = { chain: chainId, ...found, advice: adviceOn(found.event, found) };
    if (found.alarm === 'critical') log.error(context, 'administrative event');
    else log.warn(context, 'administrative event');
  }
}
