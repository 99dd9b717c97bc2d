import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { addressOf, hexOf } from '../kit/event-logs.ts';
import { ADMINISTRATIVE_EVENTS } from '../kit/oracle/events.ts';
import { eventsOf, misfit, WALLETS } from './draw-misfit.ts';
import { anonymousLog, type LogBody, logBody } from './events.ts';
import type { Random } from './random.ts';
import type { SimContract } from './world.ts';

const UINT256_MAX = 2n ** 256n - 1n;
const UINT112_MAX = 2n ** 112n - 1n;
const UINT96_MAX = 2n ** 96n - 1n;

/** A token that is not followed, in which some dividends are claimed. */
const UNFOLLOWED_TOKEN: Hex = addressOf(0x7070);
const TOKEN_IDS: readonly bigint[] = [0n, 1n, 2n, 3n, UINT256_MAX];
const AMOUNTS: readonly bigint[] = [0n, 1n, 2n, 5n, 1000n, 10n ** 18n, 3n * 10n ** 18n, UINT256_MAX, UINT256_MAX - 1n];
/** One token more than a `ConsecutiveTransfer` may hold. */
const TOO_MANY_TOKENS = 1_000_001n;

/** The inputs of drawing logs. */
export type LogDraw = {
  readonly random: Random;
  /** Every contract that may emit at this block. */
  readonly contracts: readonly SimContract[];
  /** Whether batches that quarantine their contract may occur. */
  readonly quarantines: boolean;
};

/** Draws the logs of one transaction, in which contracts act one to three times. */
export function drawTransaction(draw: LogDraw): LogBody[] {
  const { random, contracts } = draw;
  if (contracts.length === 0) return [anonymousLog(UNFOLLOWED_TOKEN)];
  const logs: LogBody[] = [];
  for (
    let actions = random.weighted([
      [5, 1],
      [2, 2],
      [1, 3],
    ]);
    actions > 0;
    actions--
  ) {
    const masters = contracts.filter(({ kind }) => kind === 'master');
    const candidates = masters.length > 0 && random.percent(20) ? masters : contracts;
    logs.push(...drawAction(draw, random.pick(candidates)));
  }
  return logs;
}

function drawAction(draw: LogDraw, contract: SimContract): LogBody[] {
  const { random } = draw;
  if (random.percent(6)) return [noise(contract, random)];
  if (random.percent(6)) return [misfit(contract, random)];
  if (contract.kind !== 'pool' && random.percent(4)) return [administrative(contract.address, random)];
  switch (contract.kind) {
    case 'master':
      return masterAction(draw, contract.address);
    case 'artist_token':
      return [transfer20(contract.address, wallet(random), wallet(random), amount(random))];
    case 'dividend':
      return dividendAction(draw, contract);
    case 'pool':
      return poolAction(random, contract.address);
  }
}

function administrative(address: Hex, random: Random): LogBody {
  const [account, sender] = [random.pick(WALLETS), random.pick(WALLETS)];
  return logBody(address, random.pick(ADMINISTRATIVE_EVENTS), {
    ...{ account, sender, implementation: account, role: hexOf(random.below(3), 64) },
    ...{ previousOwner: sender, newOwner: wallet(random) },
  });
}

/** Draws a wallet, or sometimes the zero address. */
function wallet(random: Random): Hex {
  return random.percent(20) ? ZERO_ADDRESS : random.pick(WALLETS);
}

function amount(random: Random): bigint {
  return random.percent(30) ? BigInt(random.below(50)) : random.pick(AMOUNTS);
}

function transfer20(address: Hex, from: Hex, to: Hex, value: bigint): LogBody {
  return logBody(address, 'Transfer20', { from, to, value });
}

function transfer721(address: Hex, from: Hex, to: Hex, tokenId: bigint): LogBody {
  return logBody(address, 'Transfer721', { from, to, tokenId });
}

function masterAction({ random, quarantines }: LogDraw, address: Hex): LogBody[] {
  const tokenId = random.pick(TOKEN_IDS);
  const to = random.pick(WALLETS);
  const minted = () => logBody(address, 'Minted', { minter: to, tokenId, price: amount(random) });
  const mint = transfer721(address, ZERO_ADDRESS, to, tokenId);
  const action = random.weighted([
    [6, 'transfer'],
    [5, 'mint'],
    [2, 'burn'],
    [2, 'remint'],
    [2, 'batch'],
    [2, 'royalty'],
    [1, 'validator'],
    [1, 'metadata'],
  ] as const);
  switch (action) {
    case 'transfer':
      return [transfer721(address, wallet(random), wallet(random), tokenId)];
    case 'mint':
      return random.shuffled(random.percent(60) ? [mint, minted()] : [mint]);
    case 'burn':
      return [transfer721(address, random.pick(WALLETS), ZERO_ADDRESS, tokenId)];
    case 'remint':
      return [
        ...(random.percent(50) ? [minted()] : []),
        mint,
        transfer721(address, to, ZERO_ADDRESS, tokenId),
        mint,
        ...(random.percent(70) ? [minted()] : []),
      ];
    case 'batch':
      return [batch(random, address, quarantines)];
    case 'royalty': {
      const receiver = random.pick(WALLETS);
      const feeNumerator = random.pick([0n, 250n, 1000n, 10_000n, UINT96_MAX]);
      if (random.percent(70)) return [logBody(address, 'DefaultRoyaltySet', { receiver, feeNumerator })];
      return [logBody(address, 'TokenRoyaltySet', { tokenId, receiver, feeNumerator })];
    }
    case 'metadata':
      if (random.percent(50)) return [logBody(address, 'MetadataUpdate', { _tokenId: tokenId })];
      return [logBody(address, 'BatchMetadataUpdate', { _fromTokenId: tokenId, _toTokenId: UINT256_MAX })];
    case 'validator':
      return [
        logBody(address, 'TransferValidatorUpdated', {
          oldValidator: wallet(random),
          newValidator: random.pick(WALLETS),
        }),
      ];
  }
}

/** Draws an ERC-2309 batch, sometimes with an end before its beginning, or with too many tokens. */
function batch(random: Random, address: Hex, quarantines: boolean): LogBody {
  const fromTokenId = random.pick([0n, 1n, 3n, 100n, UINT256_MAX - TOO_MANY_TOKENS]);
  const more = quarantines && random.percent(70) ? TOO_MANY_TOKENS - 1n : BigInt(random.between(-1, 4));
  const toTokenId = fromTokenId + more < 0n ? 0n : fromTokenId + more;
  const fromAddress = random.percent(70) ? ZERO_ADDRESS : wallet(random);
  return logBody(address, 'ConsecutiveTransfer', { fromTokenId, toTokenId, fromAddress, toAddress: wallet(random) });
}

function dividendAction({ random, contracts }: LogDraw, contract: SimContract): LogBody[] {
  const { address } = contract;
  const followed = contracts.filter(({ kind }) => kind === 'artist_token').map((token) => token.address);
  const currencies: readonly Hex[] = [ZERO_ADDRESS, ZERO_ADDRESS, UNFOLLOWED_TOKEN, ...followed];
  const token = random.pick(currencies);
  const action = random.weighted([
    [3, 'deposit'],
    [3, 'distribution'],
    [5, 'claims'],
  ] as const);
  switch (action) {
    case 'deposit': {
      const args = { amount: amount(random), token, timestamp: amount(random), masterId: 1n, source: 'radio' as Hex };
      const log = logBody(address, eventsOf(contract).deposit, args);
      return random.percent(25) ? [log, log] : [log];
    }
    case 'distribution': {
      const args = { amount: amount(random), token, perTokenAmount: amount(random) };
      return [logBody(address, 'DividendsDistributed', args)];
    }
    case 'claims':
      return drawClaims(random, contract, currencies);
  }
}

/** Draws the claims of one transaction. Each is paid in the native coin, or by a token transfer before or after it that may not match. */
function drawClaims(random: Random, contract: SimContract, currencies: readonly Hex[]): LogBody[] {
  const { address } = contract;
  const logs: LogBody[] = [];
  for (let claims = random.between(1, 5); claims > 0; claims--) {
    const holder = random.percent(10) ? ZERO_ADDRESS : random.pick(WALLETS);
    const claimed = random.pick([0n, 5n, 7n, 10n ** 18n, UINT256_MAX]);
    const args = { holder, owner: holder, tokenId: random.pick(TOKEN_IDS), epochId: 7n, amount: claimed };
    const claim = logBody(address, eventsOf(contract).claim, args);
    const currency = random.pick(currencies);
    if (currency === ZERO_ADDRESS) {
      logs.push(claim);
      continue;
    }
    const payment = random.weighted([
      [7, transfer20(currency, address, holder, claimed)],
      [1, transfer20(currency, address, holder, claimed ^ 1n)],
      [1, transfer20(currency, address, random.pick(WALLETS), claimed)],
      [1, transfer20(currency, holder, address, claimed)],
      [1, logBody(currency, 'Transfer20', { from: address, to: holder, value: claimed }, 'dirty word')],
      [1, transfer721(currency, address, holder, claimed)],
    ] as const);
    logs.push(...random.shuffled([claim, payment]));
  }
  return logs;
}

function poolAction(random: Random, address: Hex): LogBody[] {
  const sender = random.pick(WALLETS);
  const to = wallet(random);
  const reserve = () => random.pick([0n, 1n, 5000n, 10n ** 20n, UINT112_MAX]);
  const sync = logBody(address, 'Sync', { reserve0: reserve(), reserve1: reserve() });
  const value = amount(random);
  const action = random.weighted([
    [2, 'first'],
    [3, 'add'],
    [2, 'remove'],
    [3, 'swap'],
    [3, 'transfer'],
    [1, 'skim'],
  ] as const);
  const amounts = { amount0: amount(random), amount1: amount(random) };
  switch (action) {
    case 'first':
    case 'add':
      return [
        ...(action === 'first' ? [transfer20(address, ZERO_ADDRESS, ZERO_ADDRESS, 1000n)] : []),
        transfer20(address, ZERO_ADDRESS, to, value),
        sync,
        logBody(address, 'Mint', { sender, ...amounts }),
      ];
    case 'remove':
      return [
        transfer20(address, sender, address, value),
        transfer20(address, address, ZERO_ADDRESS, value),
        sync,
        logBody(address, 'Burn', { sender, ...amounts, to }),
      ];
    case 'swap': {
      const [amount0In, amount1In] = random.shuffled([amount(random), 0n]) as [bigint, bigint];
      const [amount0Out, amount1Out] = random.shuffled([amount(random), 0n]) as [bigint, bigint];
      return [sync, logBody(address, 'Swap', { sender, amount0In, amount1In, amount0Out, amount1Out, to })];
    }
    case 'transfer':
      return [transfer20(address, wallet(random), wallet(random), value)];
    case 'skim':
      return [sync];
  }
}

/** Draws a log that must be ignored. */
function noise({ address }: SimContract, random: Random): LogBody {
  const [owner, spender] = [random.pick(WALLETS), random.pick(WALLETS)];
  if (random.percent(40)) return anonymousLog(address);
  if (random.percent(40)) return transfer20(UNFOLLOWED_TOKEN, owner, spender, 5n);
  return logBody(address, 'Approval', { owner, spender, value: 1n });
}
