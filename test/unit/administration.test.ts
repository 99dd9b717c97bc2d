import type { AbiEvent } from 'viem';
import { expect, test } from 'vitest';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { reportAdministration } from '../../indexer/follower/report-administration.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { createLogger } from '../../indexer/observability/log.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import { addressOf, contractOf, encodeEvent, hexOf, logOf, rangeOf } from '../kit/event-logs.ts';
import { EVENT_ABIS, type EventName } from '../kit/oracle/events.ts';

const [OWNER, OTHER] = [addressOf(0xa), addressOf(0xb)];

/** Returns the log lines of a commit whose range has one log of a master for each event. */
function linesOf(events: readonly (readonly [EventName, Readonly<Record<string, unknown>>])[]): readonly object[] {
  const master = contractOf('master', 7);
  const logs = events.map(([name, args], logIndex) =>
    logOf({ address: master.address, logIndex, ...encodeEvent(EVENT_ABIS[name] as AbiEvent, args) }),
  );
  const batch = encodeBatch(decodeRange(rangeOf(logs), contractIndex([master]), new Map()), factTables);
  const lines: object[] = [];
  const sink = { write: (line: string) => lines.push(JSON.parse(line)) };
  reportAdministration({ log: createLogger({ level: 'info', redact: (text) => text, sink, pretty: false }) }, 1, batch);
  return lines;
}

test('a commit logs its administrative events, the critical ones as errors', () => {
  const lines = linesOf([
    ['Minted', { minter: OWNER, tokenId: 1n, price: 2n }],
    ['RoleGranted', { role: hexOf(5, 64), account: OTHER, sender: OWNER }],
    ['Paused', { account: OWNER }],
    ['TokenRoyaltySet', { tokenId: 1n, receiver: OWNER, feeNumerator: 5n }],
    ['OwnershipTransferred', { previousOwner: OWNER, newOwner: OTHER }],
  ]);
  const place = { chain: 1, kind: 'master', address: addressOf(7), block: 100, msg: 'administrative event' };
  expect(lines).toMatchObject([
    { ...place, level: 40, alarm: 'high', event: 'RoleGranted', arguments: { account: OTHER, sender: OWNER } },
    { ...place, level: 50, alarm: 'critical', event: 'Paused', arguments: { account: OWNER } },
    { ...place, level: 50, alarm: 'critical', event: 'OwnershipTransferred', arguments: { newOwner: OTHER } },
  ]);
});

test('an upgrade names the command that gives the contract another ABI version', () => {
  const [line] = linesOf([['Upgraded', { implementation: OTHER }]]);
  expect(line).toMatchObject({
    level: 50,
    advice: expect.stringContaining(`indexer contracts upgrade ${addressOf(7)} --abi-version V --from-block 100`),
  });
});

test('a commit without administrative events logs nothing', () => {
  expect(linesOf([['MetadataUpdate', { _tokenId: 1n }]])).toEqual([]);
});
