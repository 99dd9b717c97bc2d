import { toEventSelector } from 'viem';
import { expect, test } from 'vitest';
import { contractFault, contractIndex } from '../../indexer/ingest/contract-index.ts';
import { ConfigError } from '../../indexer/kernel/errors.ts';
import { addressOf, contractOf } from '../kit/event-logs.ts';

const TRANSFER = toEventSelector('Transfer(address,address,uint256)');

test('the log filter holds each address once and only the topics of the followed kinds', () => {
  const { watch, byAddress } = contractIndex([
    contractOf('pool', 2),
    contractOf('artist_token', 2),
    contractOf('artist_token', 1),
  ]);
  expect(watch.addresses).toEqual([addressOf(1), addressOf(2)]);
  expect(watch.topics).toHaveLength(12);
  expect(watch.topics).toContain(TRANSFER);
  expect(watch.topics).not.toContain(toEventSelector('Minted(address,uint256,uint256)'));
  expect(byAddress.get(addressOf(2))?.map(({ contract }) => contract.kind)).toEqual(['pool', 'artist_token']);
  expect(contractIndex([]).watch).toEqual({ addresses: [], topics: [] });
});

test('the error names every contract that cannot be decoded and the known versions', () => {
  const unknownVersion = contractOf('master', 1, { abiVersion: '9.9' });
  const withoutToken = contractOf('pool', 2, { artistTokenId: null });
  const withoutMaster = contractOf('master', 3, { masterId: null });
  expect(contractFault(contractOf('dividend', 4, { masterId: null }))).toBeNull();
  expect(contractFault(unknownVersion)).toMatch(/unknown ABI version 9\.9 \(known: 1\.0\)/);
  expect(() => contractIndex([unknownVersion, withoutToken, withoutMaster])).toThrow(ConfigError);
  expect(() => contractIndex([unknownVersion, withoutToken, withoutMaster])).toThrow(/9\.9.*artist token.*no master/);
});
