import { administrativeEvents } from '../../../abis/administration.ts';
import { contractEventDecoder } from './contract-events.ts';
import type { Decoder } from './decoder.ts';

type AdministrativeEventName = (typeof administrativeEvents)[number]['name'];

/** The decoders of the events of `abis/administration.ts`. None of these events has a table of its own. */
export const administrativeDecoders = Object.fromEntries(
  administrativeEvents.map((event) => [event.name, contractEventDecoder(event)]),
) as Readonly<Record<AdministrativeEventName, Decoder>>;

/** How urgent an administrative event is for an operator. `critical`: the contract may have stopped, or may now behave differently. */
export type AlarmLevel = 'critical' | 'high';

/**
 * The events that report an administrative call, with their alarm levels. `TokenRoyaltySet` is not among them, because some contracts
 * emit it with every mint.
 */
export const ALARM_LEVELS: Readonly<Record<string, AlarmLevel>> = {
  Paused: 'critical',
  OwnershipTransferred: 'critical',
  Upgraded: 'critical',
  Unpaused: 'high',
  OwnershipTransferStarted: 'high',
  RoleGranted: 'high',
  RoleRevoked: 'high',
  TransferValidatorUpdated: 'high',
  DefaultRoyaltySet: 'high',
} satisfies Readonly<Record<AdministrativeEventName | 'TransferValidatorUpdated' | 'DefaultRoyaltySet', AlarmLevel>>;

/** Returns what an operator must check after an administrative event. Undefined if the event does not change how logs must be decoded. */
export function adviceOn(event: string, { address, block }: { readonly address: string; readonly block: number }) {
  if (event !== 'Upgraded') return undefined;
  return (
    'check whether its ABI version fits the new implementation; if not: ' +
    `indexer contracts upgrade ${address} --abi-version V --from-block ${block}`
  );
}
