import { type Command, Option } from 'commander';
import type { Resolution } from '../config/resolve.ts';
import type { Redact } from '../observability/redact.ts';
import { type GlobalOptions, type Io, printResult, table } from './io.ts';

/** What is printed in place of a secret that is not part of a URL. */
const MASK = '[redacted]';

/** `indexer config`: prints or checks the configuration. Opens no connection. */
export function addConfig(program: Command, io: Io): void {
  program
    .command('config')
    .description('print the effective configuration without its secrets, or check it')
    .addOption(new Option('--print', 'print every setting, its value and where it comes from (the default)'))
    .addOption(new Option('--check', 'exit 1 if `indexer start` would refuse the configuration').conflicts('print'))
    .action(async ({ check }: { check?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const [{ loadSettings }, { secretsOf }, { createRedact }] = await Promise.all([
        import('../config/config-file.ts'),
        import('../config/secrets.ts'),
        import('../observability/redact.ts'),
      ]);
      const resolution = await loadSettings(options.config, io.env, check ? ['database', 'chains'] : []);
      const ignored = resolution.ignored.map(({ ignored, reason }) => `${ignored} is ignored: ${reason}`);
      if (check) {
        const { ignored: variables } = resolution;
        printResult(io, options, { valid: true, ignored: variables }, ['the configuration is valid', ...ignored]);
        return;
      }
      const settings = describe(resolution, createRedact(secretsOf(resolution.config)));
      const rows = settings.map(({ setting, value, from }) => [setting, textOf(value), from]);
      const lines = [...table([['SETTING', 'VALUE', 'FROM'], ...rows]), ...ignored];
      printResult(io, options, { settings, ignored: resolution.ignored }, lines);
    });
}

type Described = { readonly setting: string; readonly value: unknown; readonly from: string };

function describe({ settings }: Resolution, redact: Redact): readonly Described[] {
  return settings.map(({ path, value, origin, isSecret }) => ({
    setting: path,
    value: printable(value, isSecret ? () => MASK : redact) ?? null,
    from: origin,
  }));
}

/**
 * Returns the value of a setting as it is printed: without secrets, and with the words `viem transport` in place of a viem transport, which
 * is a function.
 */
function printable(value: unknown, redact: Redact): unknown {
  if (typeof value === 'string') return redact(value);
  if (typeof value === 'function') return 'viem transport';
  // JSON has no bigint.
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map((item) => printable(item, redact));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, inner]) => [name, printable(inner, name === 'headers' ? () => MASK : redact)]),
  );
}

function textOf(value: unknown): string {
  if (value === null) return 'not set';
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
