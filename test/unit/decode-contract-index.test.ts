import { toEventSelector } from 'viem';
import { expect, test } from 'vitest';
import { contractFault, contractIndex } from '../../indexer/ingest/contract-index.ts';
import { ConfigError } from '../../indexer/kernel/errors.ts';
import { addressOf, contractOf } from '../kit/event-logs.ts';

const TRANSFER = toEventSelector('Transfer(address,address,uint256)');

test('the filter names each address once, and the topics of the kinds that are followed', () => {
  const { watch, byAddress } = contractIndex([
    contractOf('pool', 2),
    contractOf('artist_token', 2),
    contractOf('artist_token', 1),
  ]);
  expect(watch.addresses).toEqual([addressOf(1), addressOf(2)]);
  expect(watch.topics).toHaveLength(5);
  expect(watch.topics).toContain(TRANSFER);
  expect(watch.topics).not.toContain(toEventSelector('Minted(address,uint256,uint256)'));
  expect(byAddress.get(addressOf(2))?.map(({ contract }) => contract.kind)).toEqual(['pool', 'artist_token']);
  expect(contractIndex([]).watch).toEqual({ addresses: [], topics: [] });
});

test('every contract that cannot be decoded is named, with the versions that are known', () => {
  const future = contractOf('master', 1, { abiVersion: '9.9' });
  const stray = contractOf('pool', 2, { artistTokenId: null });
  const orphan = contractOf('master', 3, { masterId: null });
  expect(contractFault(contractOf('dividend', 4, { masterId: null }))).toBeNull();
  expect(contractFault(future)).toMatch(/unknown ABI version 9\.9 \(known: 1\.0\)/);
  expect(() => contractIndex([future, stray, orphan])).toThrow(ConfigError);
  expect(() => contractIndex([future, stray, orphan])).toThrow(/9\.9.*artist token.*no master/);
});
