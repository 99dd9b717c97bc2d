import { type Abi, type AbiEvent, decodeEventLog } from 'viem';
import { describe, expect, test } from 'vitest';
import { dividendV1 } from '../../abis/dividend.v1.ts';
import { erc20V1 } from '../../abis/erc20.v1.ts';
import { erc721cV1 } from '../../abis/erc721c.v1.ts';
import { uniswapV2PairV1 } from '../../abis/uniswap-v2-pair.v1.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { type ContractKind, type Hex, type RawLog, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { addressOf, contractOf, encodeEvent, hexOf, logOf, rangeOf } from '../kit/event-logs.ts';
import { type FactsByTable, factsOf } from '../kit/fact-batch.ts';
import { seededRandom } from '../kit/random.ts';

const ROUNDS = 300;

/** Returns the expected facts for the arguments that viem decoded from a log, written independently of the decoders. */
type Expectation = (args: Record<string, string>) => Partial<Record<keyof FactsByTable, object>>;

const contractEvent =
  (event: string): Expectation =>
  (args) => ({ contractEvents: { event, arguments: args } });

const administration = Object.fromEntries(
  [
    'Paused',
    'Unpaused',
    'OwnershipTransferStarted',
    'OwnershipTransferred',
    'RoleGranted',
    'RoleRevoked',
    'Upgraded',
  ].map((event) => [event, contractEvent(event)]),
);

const native = { currency: ZERO_ADDRESS };
const difference = (plus: string | undefined, minus: string | undefined) => `${BigInt(plus ?? 0) - BigInt(minus ?? 0)}`;

const cases: readonly (readonly [ContractKind, Abi, Readonly<Record<string, Expectation>>])[] = [
  ['artist_token', erc20V1, { Transfer: (args) => ({ tokenTransfers: args }), ...administration }],
  [
    'master',
    erc721cV1,
    {
      Transfer: (args) => ({ nftTransfers: args }),
      Minted: contractEvent('Minted'),
      TransferValidatorUpdated: contractEvent('TransferValidatorUpdated'),
      DefaultRoyaltySet: contractEvent('DefaultRoyaltySet'),
      TokenRoyaltySet: contractEvent('TokenRoyaltySet'),
      MetadataUpdate: contractEvent('MetadataUpdate'),
      BatchMetadataUpdate: contractEvent('BatchMetadataUpdate'),
      ...administration,
    },
  ],
  [
    'pool',
    uniswapV2PairV1,
    {
      Transfer: contractEvent('Transfer'),
      Sync: contractEvent('Sync'),
      Mint: (args) => ({ poolEvents: { type: 'add_liquidity', ...args, recipient: null } }),
      Burn: ({ to, ...args }) => ({ poolEvents: { type: 'remove_liquidity', ...args, recipient: to } }),
      Swap: ({ sender, to, amount0In, amount1In, amount0Out, amount1Out }) => ({
        poolEvents: {
          type: 'swap',
          sender,
          recipient: to,
          amount0: difference(amount0In, amount0Out),
          amount1: difference(amount1In, amount1Out),
        },
      }),
    },
  ],
  [
    'dividend',
    dividendV1,
    {
      ...administration,
      RevenueDeposited: ({ amount, token }) => ({
        dividendEvents: { type: 'deposit', amount, currency: token, perTokenAmount: null, claimant: null },
      }),
      DividendsDistributed: ({ amount, token, perTokenAmount }) => ({
        dividendEvents: { type: 'distribution', amount, currency: token, perTokenAmount, claimant: null },
      }),
      DividendClaimed: ({ holder, tokenId, amount }) => ({
        dividendEvents: {
          type: 'claim',
          amount,
          ...native,
          claimant: holder,
          claimedTokenId: tokenId,
          perTokenAmount: null,
        },
        dividendClaims: { holder, tokenId, amount, ...native, gasUsed: '21000', gasPrice: '7' },
      }),
    },
  ],
];

describe('every event is decoded as viem decodes it, for random values and for the bounds of its types', () => {
  for (const [kind, abi, expectations] of cases) {
    for (const [name, expectation] of Object.entries(expectations)) {
      test(`${kind} ${name}`, () => {
        const random = seededRandom(0x5eed).below;
        for (let round = 0; round < ROUNDS; round++) checkRound(kind, abi, name, expectation, random);
      });
    }
  }
});

function checkRound(
  kind: ContractKind,
  abi: Abi,
  name: string,
  expectation: Expectation,
  random: (bound: number) => number,
) {
  const event = abi.find((item): item is AbiEvent => item.type === 'event' && item.name === name);
  if (event === undefined) throw new Error(`no event ${name}`);
  const drawn = Object.fromEntries(event.inputs.map((input) => [input.name, draw(input.type, random)]));
  const contract = contractOf(kind, 7);
  const log = logOf({ address: contract.address, ...encodeEvent(event, drawn) });
  const decoded = decodeEventLog({ abi, topics: log.topics as [Hex, ...Hex[]], data: log.data, strict: true });
  const args = plain(decoded.args as unknown as Record<string, unknown>);
  const batch = decodeRange(rangeOf([log]), contractIndex([contract]), receiptsOf(log));
  expect(batch.quarantined).toEqual([]);
  const decodedLists = factsOf(batch);
  const lists = Object.entries(decodedLists).filter(([, facts]) => facts.length > 0);
  const expected = Object.entries(expectation(args));
  expect(lists.map(([list]) => list).sort()).toEqual(expected.map(([list]) => list).sort());
  for (const [list, fact] of expected) {
    expect(decodedLists[list as keyof FactsByTable]).toMatchObject([
      { contract, log, timestamp: 1_700_000_100, ...fact },
    ]);
  }
}

function plain(args: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [name, String(value).toLowerCase()]));
}

function receiptsOf(log: RawLog) {
  return new Map([[log.transactionHash, { gasUsed: 21_000n, effectiveGasPrice: 7n, logs: [log] }]]);
}

/** Draws a value of a type: a bound, a small number, a power of two or one below, or any value. */
function draw(type: string, random: (bound: number) => number): bigint | Hex {
  if (type === 'address') return random(4) === 0 ? ZERO_ADDRESS : addressOf(drawBits(160, random));
  if (type === 'bytes32') return hexOf(drawBits(256, random), 64);
  return drawBits(Number(type.slice('uint'.length)), random);
}

function drawBits(bits: number, random: (bound: number) => number): bigint {
  const max = (1n << BigInt(bits)) - 1n;
  switch (random(6)) {
    case 0:
      return 0n;
    case 1:
      return max;
    case 2:
      return BigInt(random(1000));
    case 3:
      return (1n << BigInt(random(bits))) - BigInt(random(2));
    default: {
      let digits = '';
      while (digits.length < 64) digits += hexOf(random(2 ** 32), 8).slice(2);
      return (BigInt(`0x${digits}`) >> BigInt(256 - 1 - random(bits))) & max;
    }
  }
}
