/**
 * The ABI versions of dividend contracts with the rule `snapshot`: the wallet that owns a token at a distribution keeps the dividend, even
 * if the token is sold later. All other versions have the rule `token`: an unclaimed dividend moves with the token.
 */
export const SNAPSHOT_VERSIONS: readonly string[] = ['3.0'];
