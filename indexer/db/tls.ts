import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import type pg from 'pg';
import { ConfigError, messageOf } from '../kernel/errors.ts';

/** The values of `sslmode`: libpq's (PostgreSQL manual, 32.19 SSL Support), and `no-verify`, the driver's name for libpq's `require`. */
const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
/** The URL parameters that this module reads. The driver reads them too, but treats `require` as `verify-full`. */
const PARAMETERS = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation', 'uselibpqcompat'] as const;
/** The modes to try, in this order, for a mode that leaves open whether the connection is encrypted. */
const ALTERNATIVES: Readonly<Record<string, readonly string[]>> = {
  prefer: ['require', 'disable'],
  allow: ['disable', 'require'],
};

/** The options of a connection to the server that a URL names. */
export type ConnectionOptions = Pick<pg.ClientConfig, 'connectionString' | 'ssl' | 'sslnegotiation'>;

/**
 * Returns the options of a connection to the server that a URL names. `sslmode` has the same meaning as in libpq: `require` encrypts, but
 * verifies the certificate only if `sslrootcert` names a file; `verify-ca` verifies the certificate, and `verify-full` also the host name.
 *
 * Differs from libpq in these points. If the URL has `sslrootcert` or `sslcert` but no `sslmode`, the mode is `verify-full`. If it has
 * none of these three, the driver decides: by default, it does not encrypt. `verify-full` without `sslrootcert` trusts the certificate
 * authorities that Node trusts.
 *
 * @throws {ConfigError} if a parameter is wrong, or its file cannot be read.
 */
export function connectionOptions(databaseUrl: string): ConnectionOptions {
  const { sslmode, sslrootcert: root, sslcert, sslkey, sslnegotiation } = parametersOf(databaseUrl);
  const mode = sslmode ?? (root === undefined && sslcert === undefined ? undefined : 'verify-full');
  if (mode === undefined) return { connectionString: databaseUrl };
  if (!MODES.includes(mode)) throw new ConfigError(`sslmode: must be one of ${MODES.join(', ')}`);
  const url = new URL(databaseUrl);
  for (const name of PARAMETERS) url.searchParams.delete(name);
  if (mode === 'disable' || mode === 'allow') return { connectionString: url.href, ssl: false };
  if (root === 'system' && mode !== 'verify-full')
    throw new ConfigError('sslrootcert=system: needs sslmode=verify-full');
  if (root === undefined && mode === 'verify-ca') {
    throw new ConfigError('sslmode=verify-ca: needs sslrootcert, the file of the certificate authority');
  }
  const verifies = mode.startsWith('verify') || (mode === 'require' && root !== undefined);
  const ssl = {
    rejectUnauthorized: verifies,
    ...(verifies && mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
    ...(root !== undefined && { ca: root === 'system' ? systemAuthorities() : read('sslrootcert', root) }),
    ...(sslcert !== undefined && { cert: read('sslcert', sslcert) }),
    ...(sslkey !== undefined && { key: read('sslkey', sslkey) }),
  };
  return { connectionString: url.href, ssl, ...(sslnegotiation === 'direct' && { sslnegotiation }) };
}

/** Returns the URLs to try, one after the other, for a URL whose `sslmode` leaves open whether the connection is encrypted. */
export function encryptionAlternatives(databaseUrl: string): readonly string[] {
  const modes = ALTERNATIVES[parametersOf(databaseUrl).sslmode ?? ''];
  if (modes === undefined) return [databaseUrl];
  return modes.map((mode) => {
    const url = new URL(databaseUrl);
    // With a root certificate, `require` would verify the server's certificate. `prefer` and `allow` do not verify it.
    for (const name of ['sslrootcert', 'uselibpqcompat']) url.searchParams.delete(name);
    url.searchParams.set('sslmode', mode);
    return url.href;
  });
}

/** Returns whether a connection failed because the server's certificate was not accepted. */
export function isCertificateError(error: unknown): boolean {
  return /^(?:ERR_TLS_CERT|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(String((error as { code?: unknown }).code));
}

type Parameters = { readonly [name in (typeof PARAMETERS)[number]]?: string };

function parametersOf(databaseUrl: string): Parameters {
  const { searchParams } = new URL(databaseUrl);
  return Object.fromEntries(
    PARAMETERS.flatMap((name) => (searchParams.get(name) ? [[name, searchParams.get(name)]] : [])),
  );
}

function read(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${name}: ${messageOf(error)}`, { cause: error });
  }
}

function systemAuthorities(): string[] {
  return [...getCACertificates('default'), ...getCACertificates('system')];
}
