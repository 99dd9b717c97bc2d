import type { Protocol } from '../protocol.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { readToken } from '../shared/metadata.ts';
import { answersAsErc20, findOtherStandard } from '../shared/standards.ts';
import { tokenContradictions } from './contradictions.ts';
import { erc20V1Events } from './decoders.ts';
import { artistTokens, tokenHolders } from './state-tables.ts';
import { tokenBalances } from './token-balances.ts';
import { tokenSupply } from './token-supply.ts';
import { tokenTransfers } from './token-transfers.ts';
import { tokenVerification } from './verification.ts';

/** An artist's token (EIP-20). */
export const erc20V1: Protocol = {
  name: 'erc20',
  version: '1.0',
  kind: 'artist_token',
  events: erc20V1Events,
  factTables: [tokenTransfers, contractEvents],
  stateTables: [tokenHolders, artistTokens],
  folds: [tokenBalances, tokenSupply],
  contradictions: tokenContradictions,
  verification: tokenVerification,
  identify: async (reader, address, signal) => {
    const { name, symbol, decimals } = await readToken(reader, address, signal);
    const columns = { name, symbol, decimals: decimals?.toString() ?? null };
    if (await answersAsErc20(reader, address, signal)) return { columns, speaks: true, note: null };
    const other = await findOtherStandard(reader, address, ['erc721', 'erc1155', 'uniswapV3'], signal);
    if (other === null) return { columns, speaks: null, note: 'does not answer decimals() and allowance()' };
    return { columns, speaks: false, note: `${other.name} instead of ERC-20` };
  },
};
