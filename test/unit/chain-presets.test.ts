import { describe, expect, it } from 'vitest';
import { KNOWN_CHAINS, knownChain } from '../../indexer/config/chains.ts';
import { defineConfig } from '../../indexer/config/define.ts';
import { resolveConfig, resolveSettings } from '../../indexer/config/resolve.ts';

const DATABASE_URL = 'postgres://localhost/mirror';
const ALL = ['database', 'chains'] as const;

describe('the presets of chains', () => {
  it('give way to the file, setting by setting, and a chain without one has the defaults', () => {
    const settings = defineConfig({ chains: { 42161: { confirmations: 7 } } });
    const env = { DATABASE_URL, RPC_URL_42161: 'http://arbitrum', RPC_URL_99: 'http://unknown' };
    const { config, settings: origins } = resolveSettings(settings, 'x.ts', env, ALL);
    expect(config.chains).toMatchObject([
      { chainId: 99, pollIntervalMs: 1000, confirmations: 64, haltDepth: 1024 },
      { chainId: 42_161, pollIntervalMs: 1000, confirmations: 7, haltDepth: 8192 },
    ]);
    const originOf = (path: string) => origins.find((setting) => setting.path === path)?.origin;
    expect(originOf('chains.42161.haltDepth')).toBe('preset of Arbitrum');
    expect(originOf('chains.42161.confirmations')).toBe('x.ts chains.42161.confirmations');
    expect(originOf('chains.42161.pollIntervalMs')).toBe('default');
  });

  it.each([
    { chainId: 1, blockTimeMs: 12_000, pollIntervalMs: 2_000, confirmations: 64, haltDepth: 1_024 },
    { chainId: 8453, blockTimeMs: 2_000, pollIntervalMs: 1_000, confirmations: 900, haltDepth: 1_024 },
    { chainId: 42_161, blockTimeMs: 250, pollIntervalMs: 1_000, confirmations: 4_800, haltDepth: 8_192 },
    { chainId: 10, blockTimeMs: 2_000, pollIntervalMs: 1_000, confirmations: 900, haltDepth: 1_024 },
    { chainId: 137, blockTimeMs: 2_000, pollIntervalMs: 1_000, confirmations: 512, haltDepth: 1_024 },
    { chainId: 56, blockTimeMs: 450, pollIntervalMs: 1_000, confirmations: 176, haltDepth: 1_024 },
    { chainId: 43_114, blockTimeMs: 2_000, pollIntervalMs: 1_000, confirmations: 8, haltDepth: 1_024 },
    { chainId: 11_155_111, blockTimeMs: 12_000, pollIntervalMs: 2_000, confirmations: 64, haltDepth: 1_024 },
    { chainId: 84_532, blockTimeMs: 2_000, pollIntervalMs: 1_000, confirmations: 900, haltDepth: 1_024 },
    { chainId: 31_337, blockTimeMs: undefined, pollIntervalMs: 1_000, confirmations: 64, haltDepth: 1_024 },
  ])(
    'of chain $chainId are $pollIntervalMs ms, $confirmations and $haltDepth blocks',
    ({ blockTimeMs, ...expected }) => {
      const env = { DATABASE_URL, [`RPC_URL_${expected.chainId}`]: 'http://x' };
      expect(resolveConfig({}, 'config/local.ts', env, ALL).chains).toMatchObject([expected]);
      expect(knownChain(expected.chainId)?.blockTimeMs).toBe(blockTimeMs);
    },
  );

  it('are ten', () => {
    expect(KNOWN_CHAINS).toHaveLength(10);
  });

  it('are valid, halt at no reorg above the finalized block, and share no variable', () => {
    for (const { chainId, preset } of KNOWN_CHAINS) {
      const settings = { chains: { [chainId]: { ...preset, rpcUrls: ['http://x'] } } };
      const [chain] = resolveConfig(settings, 'config/local.ts', { DATABASE_URL }, ALL).chains;
      expect(chain?.haltDepth).toBeGreaterThan(chain?.confirmations ?? Number.POSITIVE_INFINITY);
    }
    const variables = KNOWN_CHAINS.flatMap((chain) => chain.variables);
    expect(new Set(variables).size).toBe(variables.length);
  });
});
