import { execFile } from 'node:child_process';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serverIdentity } from './postgres-server.ts';

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];

/** A folder of certificates that a PostgreSQL server may read. */
export type Certificates = {
  /** Returns the path of a file: `ca.crt`, `other-ca.crt`, or the `.crt` or `.key` file of a host. */
  path(file: string): string;
  remove(): Promise<void>;
};

/** Creates two certificate authorities, `ca` and `other-ca`. For each host, creates a certificate that `ca` signs. */
export async function makeCertificates(...hosts: readonly string[]): Promise<Certificates> {
  const directory = await mkdtemp(join(tmpdir(), 'indexer-certificates-'));
  const path = (file: string) => join(directory, file);
  const make = (name: string, ...options: readonly string[]) => {
    const files = ['-keyout', path(`${name}.key`), '-out', path(`${name}.crt`)];
    return promisify(execFile)('openssl', ['req', '-x509', ...NEW_KEY, ...files, '-subj', `/CN=${name}`, ...options]);
  };
  for (const authority of ['ca', 'other-ca']) await make(authority);
  for (const host of hosts) {
    const names = ['-addext', `subjectAltName=DNS:${host}`, '-addext', 'basicConstraints=critical,CA:FALSE'];
    await make(host, '-CA', path('ca.crt'), '-CAkey', path('ca.key'), ...names);
  }
  const { uid, gid } = await serverIdentity();
  if (uid !== undefined && gid !== undefined)
    for (const file of [directory, ...(await readdir(directory)).map(path)]) await chown(file, uid, gid);
  return { path, remove: () => rm(directory, { recursive: true, force: true }) };
}
