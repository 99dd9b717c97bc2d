import { toEventSelector } from 'viem';
import type { Decimal, Origin, Receipt } from '../../facts/origin.ts';
import type { Hex, RawLog } from '../../kernel/chain.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { IndexerError, RpcInconsistency } from '../../kernel/errors.ts';
import type { Sink } from '../shared/decoder.ts';
import { dataUint, hasShape, topicAddress } from '../shared/words.ts';

/** EIP-20 */
const TRANSFER = toEventSelector('Transfer(address,address,uint256)');
/** `dividend_claims.gas_used` is `numeric(20,0)`; a real block's gas is far below. */
const GAS_USED_LIMIT = 10n ** 20n;

/** How a claim was paid, and what its transaction cost. */
type Settlement = { readonly currency: Hex; readonly gasUsed: Decimal; readonly gasPrice: Decimal | null };

/**
 * Tells how a claim was paid: by the first ERC-20 `Transfer` of exactly the amount from the dividend contract to the holder in
 * the transaction's receipt that no earlier claim took, else in the native coin. Claims must be asked in the order of their logs.
 *
 * @throws IndexerError when the claim's receipt is not among `receipts`
 * @throws RpcInconsistency when the receipt does not hold the claim
 */
export type ClaimSettler = (claim: Origin, holder: Hex, amount: Decimal) => Settlement;

/** Returns a settler over the receipts of the range that is decoded. */
export function claimSettler({ receipts }: Pick<Sink, 'receipts'>): ClaimSettler {
  const taken = new Set<RawLog>();
  return ({ log, contract }, holder, amount) => {
    const receipt = receipts.get(log.transactionHash);
    if (receipt === undefined) {
      throw new IndexerError('a claim was decoded without the receipt of its transaction', { context: { log } });
    }
    requireHolds(receipt, log);
    const payment = receipt.logs.find(
      (candidate) => !taken.has(candidate) && isPayment(candidate, contract.address, holder, amount),
    );
    if (payment !== undefined) taken.add(payment);
    return {
      currency: payment?.address ?? ZERO_ADDRESS,
      gasUsed: receipt.gasUsed.toString(),
      gasPrice: receipt.effectiveGasPrice?.toString() ?? null,
    };
  };
}

function requireHolds(receipt: Receipt, claim: RawLog): void {
  const holds = receipt.logs.some(
    (log) => log.logIndex === claim.logIndex && log.blockHash === claim.blockHash && log.address === claim.address,
  );
  if (!holds || receipt.gasUsed < 0n || receipt.gasUsed >= GAS_USED_LIMIT) {
    const { transactionHash, blockHash, logIndex } = claim;
    throw new RpcInconsistency('the receipt of a transaction contradicts its logs', {
      context: { transactionHash, blockHash, logIndex, gasUsed: receipt.gasUsed.toString() },
    });
  }
}

function isPayment(log: RawLog, from: Hex, to: Hex, amount: Decimal): boolean {
  return (
    log.topics[0] === TRANSFER &&
    hasShape(log, 3, 1) &&
    topicAddress(log.topics[1]) === from &&
    topicAddress(log.topics[2]) === to &&
    dataUint(log.data, 0) === amount
  );
}
