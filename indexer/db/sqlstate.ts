/** PostgreSQL's error codes that the program branches on (PostgreSQL manual, appendix A). */
export const SQLSTATE = {
  uniqueViolation: '23505',
  foreignKeyViolation: '23503',
  checkViolation: '23514',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  insufficientPrivilege: '42501',
  readOnlyTransaction: '25006',
  invalidAuthorization: '28000',
  invalidPassword: '28P01',
  invalidCatalogName: '3D000',
  adminShutdown: '57P01',
  internalError: 'XX000',
  /** A code of this program, raised by `indexer.refuse()`. */
  refused: 'IX001',
} as const;

/**
 * Codes of errors that the statement did not cause. Their classes are: connection (08), resources (53), locks and objects in use (55),
 * operator intervention (57), and system (58). 25006 means that the server has become a standby. 25P03 and 25P04 mean that a timeout of
 * the server ended the connection. 57014, which means that a statement took too long, does not match.
 */
const OUTAGE = /^(?:08|25006|25P0[34]|53|55|57(?!014)|58)/;
/** Codes after which a connection is useless: the server ended it, or the server at its other end no longer accepts writes. */
const CONNECTION_UNUSABLE = /^(?:08|25006|25P0[34]|57P0)/;

/** Returns the SQLSTATE of an error that PostgreSQL raised. Undefined for any other error. */
export function sqlstateOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as Error & { code?: unknown };
  return typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Returns whether PostgreSQL aborted the transaction in favour of a concurrent one. Such a transaction can be run again. */
export function isTransactionConflict(error: unknown): boolean {
  const state = sqlstateOf(error);
  return state === SQLSTATE.serializationFailure || state === SQLSTATE.deadlockDetected;
}

/** Returns whether an error that PostgreSQL raised means that the database is unavailable, whatever the statement was. */
export function isServerOutage(error: unknown): boolean {
  return OUTAGE.test(sqlstateOf(error) ?? '');
}

/** Returns whether the connection that raised an error must not be used again. */
export function makesConnectionUnusable(error: unknown): boolean {
  return CONNECTION_UNUSABLE.test(sqlstateOf(error) ?? '');
}
