import type { Protocol } from '../protocol.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { dividendV1Events, dividendV2Events, dividendV3Events } from './decoders.ts';
import { dividendClaims } from './dividend-claims.ts';
import { dividendEvents } from './dividend-events.ts';
import { dividendTotals } from './dividend-totals.ts';
import { identifyDividend } from './identity.ts';
import { dividendContracts, walletDividendBalances } from './state-tables.ts';
import { dividendVerification, snapshotDividendVerification } from './verification.ts';

/** A contract that receives revenue and pays it to the holders of a master's tokens. */
export const dividendV1: Protocol = {
  name: 'dividend',
  version: '1.0',
  kind: 'dividend',
  events: dividendV1Events,
  factTables: [dividendEvents, dividendClaims, contractEvents],
  stateTables: [dividendContracts, walletDividendBalances],
  folds: [dividendTotals],
  verification: dividendVerification,
  identify: identifyDividend,
};

/** A dividend contract whose deposits name the source of the revenue and are in the native coin only. */
export const dividendV2: Protocol = { ...dividendV1, version: '2.0', events: dividendV2Events };

/** A dividend contract that pays the wallets that owned a token at a distribution (claim-rule.ts). A claim names an epoch, not a token. */
export const dividendV3: Protocol = {
  ...dividendV1,
  version: '3.0',
  events: dividendV3Events,
  verification: snapshotDividendVerification,
};
