import { expect, test } from 'vitest';
import { compareFingerprints, coverageFingerprint } from '../../indexer/protocols/fingerprint.ts';
import { abiVersionsOf } from '../../indexer/protocols/protocols.ts';
import { addUpgrade } from '../../indexer/registry/upgrade.ts';

const TOKEN = { kind: 'artist_token', abiVersion: '1.0' } as const;
const MASTER = { kind: 'master', abiVersion: '1.0' } as const;

test('a fingerprint names the protocol, its version and every event with the first digits of its topic', () => {
  expect(coverageFingerprint(TOKEN)).toMatch(/^erc20\/1\.0@0( \w+:[0-9a-f]{8}){8}$/);
  expect(coverageFingerprint(TOKEN)).toContain(' Transfer:ddf252ad ');
  expect(coverageFingerprint(MASTER)?.split(' ')).toHaveLength(16);
  expect(coverageFingerprint({ ...TOKEN, abiVersion: '9.9' })).toBeNull();
  expect(coverageFingerprint({ ...TOKEN, upgrades: [{ fromBlock: 5, abiVersion: '9.9' }] })).toBeNull();
});

test('each ABI version applies to the blocks up to the next version', () => {
  const upgrades = [
    { fromBlock: 100, abiVersion: '2.0' },
    { fromBlock: 200, abiVersion: '3.0' },
  ];
  expect(abiVersionsOf({ abiVersion: '1.0', upgrades })).toEqual([
    { abiVersion: '1.0', fromBlock: 0, toBlock: 99 },
    { abiVersion: '2.0', fromBlock: 100, toBlock: 199 },
    { abiVersion: '3.0', fromBlock: 200, toBlock: Number.POSITIVE_INFINITY },
  ]);
});

const ASKED = coverageFingerprint(MASTER) as string;

test.each([
  { what: 'nothing, as no block is covered', held: null, asked: ASKED, decision: undefined },
  { what: 'the same events', held: ASKED, asked: ASKED, decision: undefined },
  {
    what: 'one event less',
    held: ASKED.replace(/ Minted:\w+/, ''),
    asked: ASKED,
    decision: { do: 'reread', because: 'events added: Minted' },
  },
  {
    what: 'one ABI version less',
    held: ASKED,
    asked: `${ASKED}; erc721c/2.0@70 Minted:12345678`,
    decision: {
      do: 'reread',
      because: 'ABI versions are now erc721c 1.0 from block 0, erc721c 2.0 from block 70; events added: Minted',
    },
  },
  {
    what: 'another protocol',
    held: 'erc20/1.0@0 Transfer:ddf252ad',
    asked: 'erc721c/1.0@0 Minted:12345678',
    decision: {
      do: 'reread',
      because: 'ABI versions are now erc721c 1.0 from block 0; events added: Minted; events dropped: Transfer',
    },
  },
  {
    what: 'an event that this program does not know',
    held: `${ASKED} Burnt:12345678`,
    asked: ASKED,
    decision: { do: 'refuse', because: expect.stringContaining('with Burnt of ABI version 1.0') },
  },
  {
    what: 'an event of the same name with another topic',
    held: ASKED.replace(/Minted:\w+/, 'Minted:00000000'),
    asked: ASKED,
    decision: { do: 'refuse', because: expect.stringContaining('with Minted of ABI version 1.0') },
  },
  {
    what: 'an ABI version that this program does not know but the registry names',
    held: `${ASKED}; erc721c/2.0@70 Minted:12345678`,
    asked: null,
    decision: { do: 'refuse', because: expect.stringContaining('with ABI version 2.0 of erc721c') },
  },
])('coverage was read with: $what', ({ held, asked, decision }) => {
  expect(compareFingerprints(held, asked)).toEqual(decision);
});

test('upgrades are sorted, with one per block and none that changes nothing', () => {
  const upgraded = { abiVersion: '1.0', upgrades: [{ fromBlock: 100, abiVersion: '2.0' }] };
  expect(addUpgrade(upgraded, { fromBlock: 100, abiVersion: '2.0' })).toEqual(upgraded.upgrades);
  expect(addUpgrade(upgraded, { fromBlock: 50, abiVersion: '3.0' })).toEqual([
    { fromBlock: 50, abiVersion: '3.0' },
    { fromBlock: 100, abiVersion: '2.0' },
  ]);
  expect(addUpgrade(upgraded, { fromBlock: 100, abiVersion: '1.0' })).toEqual([]);
  expect(addUpgrade(upgraded, { fromBlock: 50, abiVersion: '2.0' })).toEqual([{ fromBlock: 50, abiVersion: '2.0' }]);
});
