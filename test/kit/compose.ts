import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const FILE = fileURLToPath(new URL('../../compose.yaml', import.meta.url));

/** A service of compose.yaml. */
export type Service = {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly disable?: boolean };
  readonly stop_grace_period?: string;
  readonly deploy?: { readonly replicas: number };
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
};

/**
 * Returns the services of compose.yaml.
 *
 * @param secrets the variables of the file `.env`
 * @throws if compose.yaml uses a variable that is not among `secrets`
 */
export function readCompose(secrets: Readonly<Record<string, string>>): Readonly<Record<string, Service>> {
  const text = readFileSync(FILE, 'utf8').replaceAll(/\$\{(\w+)(?::\?[^}]*)?\}/g, (_, name: string) => {
    const value = secrets[name];
    if (value === undefined) throw new Error(`compose.yaml names ${name}, which is not set`);
    return value;
  });
  return (parse(text, { merge: true }) as { services: Record<string, Service> }).services;
}
