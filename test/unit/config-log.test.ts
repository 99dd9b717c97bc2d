import { describe, expect, it } from 'vitest';
import { ConfigError, IndexerError, RpcError } from '../../indexer/kernel/errors.ts';
import { createLogger } from '../../indexer/observability/log.ts';
import { createRedact } from '../../indexer/observability/redact.ts';

const ENDPOINT = 'https://mainnet.example/v3/0123456789abcdef0123456789abcdef';
const DATABASE = 'postgres://indexer:hunter2@db.example:5432/mirror?sslpassword=abcdefghijklmnop-%2F';
const redact = createRedact({ urls: [ENDPOINT, DATABASE] });

function logged(pretty: boolean, write: (log: ReturnType<typeof createLogger>) => void): string {
  let out = '';
  write(createLogger({ level: 'info', redact, pretty, sink: { write: (line) => (out += line) } }));
  return out;
}

describe('redaction', () => {
  it('keeps scheme and host of any URL', () => {
    expect(redact(`fetch ${ENDPOINT} failed`)).toBe('fetch https://mainnet.example/[redacted] failed');
    expect(redact(DATABASE)).toBe('postgres://db.example:5432/[redacted]');
    expect(redact('(wss://u:p@other.example/unknown?key=1)')).toBe('(wss://other.example/[redacted])');
    expect(redact('http://localhost:8545 and http://localhost:8545/')).toBe(
      'http://localhost:8545 and http://localhost:8545',
    );
  });

  it('removes a key outside its URL, percent-encoded or not', () => {
    expect(redact('path /v3/0123456789abcdef0123456789abcdef')).toBe('path /v3/[redacted]');
    expect(redact('abcdefghijklmnop-/')).toBe('[redacted]');
  });
});

describe('which parts of a URL are secret', () => {
  const redactedWith = (url: string, text: string) => createRedact({ urls: [url] })(text);

  it('leaves ordinary words of a URL alone', () => {
    const words = 'v3 rpc mainnet base indexer mirror require ethereum.example';
    expect(redactedWith('https://ethereum.example/rpc/v3/mainnet?network=base', words)).toBe(words);
    expect(redactedWith('postgres://indexer:hunter2@localhost/mirror?sslmode=require', words)).toBe(words);
  });

  it('removes keys, passwords and users of endpoints, in every encoding', () => {
    expect(redactedWith('https://x.example/v2/abcd1234', 'key ABCD1234 abcd1234')).toBe('key ABCD1234 [redacted]');
    expect(redactedWith('https://x.example/?apikey=abc', 'key abc')).toBe('key [redacted]');
    expect(redactedWith('https://alice:s3c@x.example', 'alice s3c')).toBe('[redacted] [redacted]');
    expect(redactedWith('postgres://indexer:p%22w@localhost/mirror', JSON.stringify('p"w'))).toBe('"[redacted]"');
    expect(redactedWith('https://0123456789abcdef0123.x.example', 'at 0123456789abcdef0123')).toBe('at [redacted]');
  });

  it('removes a short secret only as a whole word, and never breaks the JSON of a line', () => {
    expect(redactedWith('postgres://u:abc@localhost/m', '{"hash":"0x12abc3","password":"abc"}')).toBe(
      '{"hash":"0x12abc3","password":"[redacted]"}',
    );
    for (const password of ['true', '123'])
      expect(redactedWith(`postgres://u:${password}@h/m`, '{"a":true,"b":123}')).toBe('{"a":true,"b":123}');
  });
});

describe('a log line', () => {
  it('is JSON with no secret in its message, fields, error, cause or stack', () => {
    const error = new Error(`request to ${ENDPOINT} failed`, { cause: new Error(DATABASE) });
    const line = logged(false, (log) => log.error({ err: error, url: ENDPOINT, list: [DATABASE] }, `at ${ENDPOINT}`));
    const parsed = JSON.parse(line);
    expect(parsed).toMatchObject({ level: 50, url: 'https://mainnet.example/[redacted]' });
    expect(line).not.toMatch(/hunter2|0123456789abcdef/);
  });

  it('has no stack trace of an error that comes from outside, but of one that may be a mistake of the program', () => {
    const errors = [
      new ConfigError('set RPC_URL_1'),
      new RpcError('unavailable', 'no answer'),
      new IndexerError('odd'),
    ];
    const lines = errors.map((err) => JSON.parse(logged(false, (log) => log.warn({ err }, 'failed'))).err);
    expect(lines).toEqual([
      expect.objectContaining({ message: 'set RPC_URL_1' }),
      expect.objectContaining({ message: 'no answer', kind: 'unavailable' }),
      expect.objectContaining({ message: 'odd', stack: expect.stringContaining('config-log') }),
    ]);
    expect(lines.map((err) => 'stack' in err)).toEqual([false, false, true]);
  });

  it('is one short line on a terminal', () => {
    const line = logged(true, (log) => log.warn({ chain: 1, err: new Error(`no ${ENDPOINT}`) }, 'endpoint lost'));
    expect(line).toMatch(
      /^\d\d:\d\d:\d\d WARN {2}endpoint lost chain=1 err="no https:\/\/mainnet.example\/\[redacted\]"\n$/,
    );
  });

  it('is not written when it is below the log level', () => {
    expect(logged(false, (log) => log.debug('quiet'))).toBe('');
  });
});
