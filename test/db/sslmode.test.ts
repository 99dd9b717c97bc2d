import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { probeServer } from '../../indexer/db/server.ts';
import { type Certificates, makeCertificates } from '../kit/certificates.ts';
import { type PostgresServer, startPostgres } from '../kit/postgres-server.ts';
import { Program } from '../kit/program.ts';

let certificates: Certificates;
let server: PostgresServer;

beforeAll(async () => {
  certificates = await makeCertificates('localhost', 'client');
  const { path } = certificates;
  server = await startPostgres({
    disposable: true,
    settings: {
      ssl: 'on',
      ssl_cert_file: path('localhost.crt'),
      ssl_key_file: path('localhost.key'),
      ssl_ca_file: path('ca.crt'),
    },
  });
});

afterAll(async () => {
  await server?.stop();
  await certificates?.remove();
});

/** Returns the server's URL with parameters, of which `.crt` and `.key` files lie in the folder of certificates. */
function urlOf(parameters: string, host = '127.0.0.1'): string {
  const url = Object.assign(new URL(server.url), { hostname: host, search: parameters });
  for (const [name, value] of url.searchParams)
    if (/\.(?:crt|key)$/.test(value)) url.searchParams.set(name, certificates.path(value));
  return url.href;
}

/** Connects as the program does. Returns whether the connection is encrypted, and the client's name if it has a certificate. */
async function connect(databaseUrl: string): Promise<string> {
  const found = await probeServer(databaseUrl, 'DATABASE_URL');
  const database = openDatabase({ ...found, maxConnections: 1 });
  try {
    const { rows } = await sql<{ ssl: boolean; client: string | null }>`
      select ssl, client_dn as client from pg_stat_ssl where pid = pg_backend_pid()`.execute(database.kysely);
    return `${rows[0]?.ssl ? 'encrypted' : 'plain'}${rows[0]?.client ?? ''}`;
  } finally {
    await database.close();
  }
}

describe('a server with a certificate for localhost from an authority of its own', () => {
  for (const [parameters, outcome, host] of [
    ['', 'plain'],
    ['sslmode=disable', 'plain'],
    ['sslmode=allow', 'plain'],
    ['sslmode=prefer', 'encrypted'],
    ['sslmode=prefer&sslrootcert=other-ca.crt', 'encrypted'],
    ['sslmode=require', 'encrypted'],
    ['sslmode=no-verify', 'encrypted'],
    ['ssl=true&sslmode=require', 'encrypted'],
    ['sslmode=require&uselibpqcompat=true', 'encrypted'],
    ['sslmode=require&sslcert=client.crt&sslkey=client.key', 'encrypted/CN=client'],
    ['sslmode=require&sslrootcert=ca.crt', 'encrypted'],
    ['sslmode=verify-ca&sslrootcert=ca.crt', 'encrypted'],
    ['sslmode=verify-full&sslrootcert=ca.crt', 'encrypted', 'localhost'],
    ['sslrootcert=ca.crt', 'encrypted', 'localhost'],
  ] as const) {
    it(`accepts '${parameters}' at ${host ?? 'its address'}: ${outcome}`, async () => {
      expect(await connect(urlOf(parameters, host))).toBe(outcome);
    });
  }

  for (const [parameters, message, host] of [
    ['sslmode=require&sslrootcert=other-ca.crt', /^DATABASE_URL: the server's certificate was not accepted/],
    ['sslmode=verify-ca&sslrootcert=other-ca.crt', /^DATABASE_URL: the server's certificate was not accepted/],
    ['sslmode=verify-full&sslrootcert=other-ca.crt', /certificate was not accepted/, 'localhost'],
    ['sslmode=verify-full&sslrootcert=ca.crt', /127\.0\.0\.1 is not in the cert's list/],
    ['sslmode=verify-full', /^DATABASE_URL: the server's certificate was not accepted/, 'localhost'],
    ['sslmode=verify-full&sslrootcert=system', /^DATABASE_URL: the server's certificate was not accepted/, 'localhost'],
    ['sslmode=require&sslrootcert=system', /^DATABASE_URL: sslrootcert=system: needs sslmode=verify-full/],
    ['sslmode=verify-ca', /^DATABASE_URL: sslmode=verify-ca: needs sslrootcert/],
    ['sslmode=verify-full&sslrootcert=/none/ca.pem', /^DATABASE_URL: sslrootcert: ENOENT/],
    ['sslmode=sure', /^DATABASE_URL: sslmode: must be one of disable, allow, prefer, require/],
  ] as const) {
    it(`refuses '${parameters}' at ${host ?? 'its address'} and says why`, async () => {
      await expect(connect(urlOf(parameters, host))).rejects.toThrow(message);
    });
  }
});

describe('a server without a certificate', () => {
  it('is used without encryption with prefer, and refused with require', async () => {
    const url = (mode: string) => `${inject('postgresUrl')}?sslmode=${mode}`;
    expect(await connect(url('prefer'))).toBe('plain');
    await expect(connect(url('require'))).rejects.toThrow(
      'DATABASE_URL: the server offers no encryption, which sslmode in the URL asks for; turn it on there (ssl = on), or set sslmode=disable',
    );
  });
});

describe('the program', () => {
  it('prints no warning of its driver, and one line that names the variable and the mode', async () => {
    const accepted = new Program(['migrate'], { DATABASE_URL: urlOf('sslmode=require') });
    expect(await accepted.exited).toBe(0);
    expect(accepted.stderr).toBe('');
    const refused = new Program(['migrate'], { DATABASE_URL: urlOf('sslmode=verify-full&sslrootcert=ca.crt') });
    expect(await refused.exited).toBe(1);
    expect(refused.stderr).toMatch(
      /^indexer: DATABASE_URL: the server's certificate was not accepted \(.*sslmode=require.*\n$/,
    );
  });
});
