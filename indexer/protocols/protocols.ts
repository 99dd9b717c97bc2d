import type { Contract, ContractKind } from '../kernel/chain.ts';
import { dividendV1Decoders } from './dividend/decoders.ts';
import { erc20V1Decoders } from './erc20/decoders.ts';
import { erc721cV1Decoders } from './erc721c/decoders.ts';
import type { DecoderSet } from './shared/decoder.ts';
import { uniswapV2PairV1Decoders } from './uniswap-v2/decoders.ts';

/** Every version of ABI that is known of a kind, by the name that the registry gives it. */
const versions: Readonly<Record<ContractKind, ReadonlyMap<string, DecoderSet>>> = {
  master: new Map([['1.0', erc721cV1Decoders]]),
  dividend: new Map([['1.0', dividendV1Decoders]]),
  artist_token: new Map([['1.0', erc20V1Decoders]]),
  pool: new Map([['1.0', uniswapV2PairV1Decoders]]),
};

/** The decoders of a contract's kind and version; undefined where the version is not known. */
export function decodersOf({ kind, abiVersion }: Pick<Contract, 'kind' | 'abiVersion'>): DecoderSet | undefined {
  return versions[kind].get(abiVersion);
}

/** The versions of ABI that are known of a kind. */
export function knownAbiVersions(kind: ContractKind): readonly string[] {
  return [...versions[kind].keys()];
}
