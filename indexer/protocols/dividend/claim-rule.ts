/**
 * The ABI versions of dividend contracts by whose rule the owner of a token at a distribution keeps what it gave. By the rule of the others
 * what is unclaimed goes with the token.
 */
export const SNAPSHOT_VERSIONS: readonly string[] = ['3.0'];
