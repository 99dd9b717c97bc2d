/** PostgreSQL's error codes that the program branches on (PostgreSQL manual, appendix A). */
export const SQLSTATE = {
  uniqueViolation: '23505',
  foreignKeyViolation: '23503',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  lockNotAvailable: '55P03',
  insufficientPrivilege: '42501',
  invalidAuthorization: '28000',
  invalidPassword: '28P01',
  invalidCatalogName: '3D000',
  /** A code of this program, raised by `indexer.refuse()`. */
  refused: 'IX001',
} as const;

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
