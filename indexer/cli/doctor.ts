import type { Command } from 'commander';
import type { IgnoredVariable } from '../config/option-reader.ts';
import type { Finding } from '../doctor/finding.ts';
import { IndexerError } from '../kernel/errors.ts';
import type { GlobalOptions, Io } from './io.ts';

/** `indexer doctor`: tries the database, the queue and every endpoint, and says what to change. */
export function addDoctor(program: Command, io: Io): void {
  program
    .command('doctor')
    .description('try the database, the queue and every endpoint, and say what is wrong and what to change')
    .addHelpText('after', '\nIt changes nothing. It exits with 1 if a check failed. Warnings do not count as failures.')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { loadSettings } = await import('../config/config-file.ts');
      const { config, ignored } = await loadSettings(options.config, io.env, []);
      const [{ examine }, { secretsOf }, { createRedact }] = await Promise.all([
        import('../doctor/examine.ts'),
        import('../config/secrets.ts'),
        import('../observability/redact.ts'),
      ]);
      const redact = createRedact(secretsOf(config));
      const counts = { ok: 0, warning: 0, failed: 0 };
      const print = (finding: Finding) => {
        counts[finding.status] += 1;
        io.stdout.write(`${redact(options.json ? JSON.stringify({ type: 'check', ...finding }) : lineOf(finding))}\n`);
      };
      for (const variable of ignored) print(findingOf(variable));
      for await (const finding of examine(config, io.signal)) print(finding);
      if (options.json) io.stdout.write(`${JSON.stringify({ type: 'result', ...counts })}\n`);
      else io.stdout.write(`${counts.ok} ok, ${counts.warning} warnings, ${counts.failed} failed\n`);
      if (counts.failed > 0)
        throw new IndexerError(`${counts.failed} of ${counts.ok + counts.warning + counts.failed} checks failed`);
    });
}

function findingOf({ ignored, used, reason }: IgnoredVariable): Finding {
  const detail = `${ignored} is ignored: ${reason}`;
  const advice = used === undefined ? null : 'unset one of them';
  return { subject: 'configuration', check: 'variables', status: 'warning', detail, advice };
}

function lineOf({ subject, check, status, detail, advice }: Finding): string {
  return `${status.padEnd(7)}  ${subject}: ${check}: ${detail}${advice === null ? '' : `; ${advice}`}`;
}
