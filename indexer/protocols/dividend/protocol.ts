import type { Protocol } from '../protocol.ts';
import { dividendV1Events } from './decoders.ts';
import { dividendClaims } from './dividend-claims.ts';
import { dividendEvents } from './dividend-events.ts';
import { dividendTotals } from './dividend-totals.ts';
import { dividendContracts } from './state-tables.ts';
import { dividendVerification } from './verification.ts';

/** A contract that receives revenue and pays it to the holders of a master's tokens. */
export const dividendV1: Protocol = {
  name: 'dividend',
  version: '1.0',
  kind: 'dividend',
  events: dividendV1Events,
  factTables: [dividendEvents, dividendClaims],
  stateTables: [dividendContracts],
  folds: [dividendTotals],
  verification: dividendVerification,
};
