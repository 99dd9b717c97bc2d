import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as z from 'zod/mini';
import { KNOWN_CHAINS } from '../indexer/config/chains.ts';
import { defaultOf } from '../indexer/config/describe.ts';
import { ABOUT, type About, VALUES } from '../indexer/config/fields.ts';
import {
  CHAIN,
  ENDPOINT,
  HTTP,
  PROOF,
  PROXY,
  READY,
  REDIS,
  SETTINGS,
  UNUSED_VARIABLES,
} from '../indexer/config/schema.ts';

// Writes the files that are generated from the schema of the configuration. With `--check`, writes nothing and fails if a file differs.

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const EXAMPLE_CHAIN = 8453;

/** Returns the text of each generated file, by its path. */
export function configurationFiles(): Readonly<Record<string, string>> {
  return { 'docs/configuration.md': page(), '.env.example': exampleEnvironment() };
}

function page(): string {
  return `# Configuration

<!-- Generated from indexer/config/schema.ts by \`npm run docs:configuration\`. -->

Each setting is taken from the first of these that has it: the configuration file, the environment, the preset of the chain, the default.
The configuration file is a TypeScript or JavaScript module whose default export is \`defineConfig({ … })\`: the one that \`--config\` names, else \`config/local.ts\` in
the working directory, else the one of the package, which sets nothing.

\`indexer config\` prints every setting, its value without secrets, and where it comes from. \`indexer config --check\` exits 1 if
\`indexer start\` would refuse the configuration. A wrong configuration produces one message that lists every fault with its place.

Where several variables are named, the first one that is set counts. The others are names that the platform uses. If two of them have
different values, the program says so and uses the first.

The program does not use these variables of the platform. If one is set, the log, \`indexer config\` and \`indexer doctor\` say so:

${unusedVariables()}

## Settings of the file

${tableOf(SETTINGS.shape)}

## \`http\`

${tableOf(HTTP.shape)}

## \`ready\`

${tableOf(READY.shape)}

## \`chains.<chainId>\`

${tableOf(CHAIN.shape)}

A chain that the program knows has a preset, which replaces defaults; \`indexer/config/chains.ts\` names the source of each value. Sizes of batches and block
ranges are not part of it: they depend on the provider, and the program learns them. [extending.md](extending.md#add-a-chain) says what else is special about some
chains. Besides
\`RPC_URL_<chainId>\`, further variables name its endpoints, separated by commas:

${chains()}

## \`chains.<chainId>.proof\`

${tableOf(PROOF.shape)}

## Options of an endpoint

An endpoint in \`rpcUrls\` that is an object has these options:

${tableOf(ENDPOINT.shape)}

## \`queueRedis\`

${tableOf(REDIS.shape)}

## Settings of the environment alone

${tableOf(PROXY.shape)}
`;
}

function chains(): string {
  const rows = KNOWN_CHAINS.map(({ name, chainId, preset = {}, variables }) => {
    const values = Object.entries(preset).map(([setting, value]) => `\`${setting}: ${value}\``);
    return `| ${name} | ${chainId} | ${values.join(', ')} | ${codes(variables)} |`;
  });
  return ['| chain | id | preset | variables |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function unusedVariables(): string {
  const rows = Object.entries(UNUSED_VARIABLES).map(([name, reason]) => `| \`${name}\` | ${reason} |`);
  return ['| variable | why it is not used |', '| --- | --- |', ...rows].join('\n');
}

function tableOf(shape: z.core.$ZodShape): string {
  const rows = Object.entries(shape).map(([name, schema]) => {
    const about = ABOUT.get(schema) ?? { description: 'The URL.', otherwise: 'required' };
    const cells = [`\`${name}\``, describe(schema, about), defaultText(schema, about), codes(about.variables ?? [])];
    return `| ${cells.join(' | ')} |`;
  });
  return ['| setting | meaning | default | variables |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function describe(schema: z.core.$ZodType, { description, unit }: About): string {
  const values = valuesOf(schema);
  const details = [values, unit].filter((text) => text !== undefined).join(' ');
  return details === '' ? description : `${description} (${details})`;
}

/** Returns the values that a schema or the one that it wraps accepts. */
function valuesOf(schema: z.core.$ZodType): string | undefined {
  const { def } = schema._zod as z.core.$ZodTypes['_zod'];
  const wrapped = def.type === 'optional' || def.type === 'default' ? valuesOf(def.innerType) : undefined;
  return VALUES.get(schema)?.values ?? wrapped;
}

function defaultText(schema: z.core.$ZodType, { otherwise }: About): string {
  const value = defaultOf(schema);
  return value === undefined ? (otherwise ?? '') : `\`${value}\``;
}

function codes(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

function exampleEnvironment(): string {
  const shapes = [SETTINGS.shape, HTTP.shape, PROXY.shape];
  const options = shapes
    .flatMap((shape) => Object.values<z.core.$ZodType>(shape))
    .flatMap((schema) => ABOUT.get(schema) ?? []);
  const blocks = options.filter(({ variables }) => variables !== undefined).map(exampleOf);
  const { description } = ABOUT.get(CHAIN.shape.rpcUrls) as About;
  const chains = KNOWN_CHAINS.map(
    ({ name, chainId, variables }) => `# ${name}: RPC_URL_${chainId}, ${variables.join(', ')}`,
  );
  return `# Generated from indexer/config/schema.ts by \`npm run docs:configuration\`. docs/configuration.md describes all settings.
# The program reads the environment, not this file: copy it to .env, and run \`set -a; . ./.env; set +a\`.

${[
  ...blocks.slice(0, 1),
  `${comment(description)}
# Several endpoints are separated by commas. Each chain that has an endpoint is followed. Names of the variables:
${chains.join('\n')}
RPC_URL_${EXAMPLE_CHAIN}=https://base.example/v2/KEY`,
  ...blocks.slice(1),
].join('\n\n')}
`;
}

function exampleOf({ description, otherwise, variables = [], example = '' }: About): string {
  const [name, ...others] = variables;
  const isRequired = otherwise === 'required';
  const also = others.length === 0 ? [] : [`# Other names: ${others.join(', ')}`];
  return [comment(description), ...also, `${isRequired ? '' : '# '}${name}=${example}`].join('\n');
}

function comment(description: string): string {
  return `# ${description.replaceAll('`', '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')}`;
}

if (import.meta.main) {
  for (const [file, text] of Object.entries(configurationFiles())) {
    const path = join(ROOT, file);
    if (!process.argv.includes('--check')) writeFileSync(path, text);
    else if (readFileSync(path, 'utf8') !== text) {
      process.stderr.write(
        `${file} differs from the schema of the configuration: run \`npm run docs:configuration\`\n`,
      );
      process.exitCode = 1;
    }
  }
}
