import { toEventSelector } from 'viem/utils';
import type { Decimal, Origin, Receipt } from '../../facts/origin.ts';
import type { Hex, RawLog } from '../../kernel/chain.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { IndexerError, RpcInconsistency } from '../../kernel/errors.ts';
import type { Sink } from '../shared/decoder.ts';
import { dataUint, hasShape, topicAddress } from '../shared/words.ts';

/** The first topic of an ERC-20 `Transfer`. */
const TRANSFER = toEventSelector('Transfer(address,address,uint256)');
/** The column `dividend_claims.gas_used` is a `numeric(20,0)`. The gas of a real block is far lower. */
const GAS_USED_LIMIT = 10n ** 20n;

/** The currency of a claim, and the gas of its transaction. */
type Settlement = { readonly currency: Hex; readonly gasUsed: Decimal; readonly gasPrice: Decimal | null };

/**
 * Returns how a claim was paid. The receipt of its transaction is searched for ERC-20 `Transfer` logs of exactly the claimed amount from
 * the dividend contract to the holder. The first of these transfers that no earlier claim used is the payment, and its token is the
 * currency. If there is none, the claim was paid in the native coin. Must be called in the order of the claims' logs.
 *
 * @throws {IndexerError} if the receipt of the claim's transaction is not among `receipts`
 * @throws {RpcInconsistency} if the receipt does not contain the claim's log, or if its gas does not fit the column `gas_used`
 */
export type ClaimSettler = (claim: Origin, holder: Hex, amount: Decimal) => Settlement;

/** Returns a settler for the claims of one range. It uses the receipts of the range. */
export function claimSettler({ receipts }: Pick<Sink, 'receipts'>): ClaimSettler {
  const usedPayments = new Set<RawLog>();
  return ({ log, contract }, holder, amount) => {
    const receipt = receipts.get(log.transactionHash);
    if (receipt === undefined) {
      throw new IndexerError('a claim was decoded without the receipt of its transaction', { context: { log } });
    }
    checkReceipt(receipt, log);
    const payment = receipt.logs.find(
      (candidate) => !usedPayments.has(candidate) && isPayment(candidate, contract.address, holder, amount),
    );
    if (payment !== undefined) usedPayments.add(payment);
    return {
      currency: payment?.address ?? ZERO_ADDRESS,
      gasUsed: receipt.gasUsed.toString(),
      gasPrice: receipt.effectiveGasPrice?.toString() ?? null,
    };
  };
}

/** Throws unless the receipt contains the claim's log and the gas of the receipt fits the column `gas_used`. */
function checkReceipt(receipt: Receipt, claim: RawLog): void {
  const containsClaim = receipt.logs.some(
    (log) => log.logIndex === claim.logIndex && log.blockHash === claim.blockHash && log.address === claim.address,
  );
  if (!containsClaim || receipt.gasUsed < 0n || receipt.gasUsed >= GAS_USED_LIMIT) {
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
