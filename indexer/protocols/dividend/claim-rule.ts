/**
 * The ABI versions of dividend contracts with the rule `snapshot`: the owner of a token at a distribution keeps its dividend. All other
 * versions have the rule `token`: an unclaimed dividend moves with the token.
 */
export const SNAPSHOT_VERSIONS: readonly string[] = ['3.0'];
