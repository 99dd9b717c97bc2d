// The layer rules, which dependency-cruiser checks: imports point down only, and members of one layer do not import each other.

/** The layers from the bottom up. The members of one row may not import each other. */
const layers = [
  ['kernel'],
  ['observability', 'config'],
  ['db'],
  ['rpc'],
  ['facts', 'source'],
  ['progress'],
  ['protocols'],
  ['registry'],
  ['stages'],
  ['ingest'],
  ['follower', 'backfill', 'proof', 'metadata', 'verify', 'http'],
  ['roles', 'doctor'],
  ['cli'],
  ['main.ts'],
  ['bin.ts', 'drizzle'],
];

const pathOf = (member) => (member.endsWith('.ts') ? `^indexer/${member.replace('.', '\\.')}$` : `^indexer/${member}/`);

const layerRules = layers.flatMap((row, height) => {
  const below = layers.slice(0, height).flat();
  return row.map((member) => ({
    name: `layer-${member}`,
    comment: `${member} may import only itself and the layers below it`,
    severity: 'error',
    from: { path: pathOf(member) },
    to: { path: '^indexer/', pathNot: [member, ...below].map(pathOf) },
  }));
});

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'every-folder-has-a-layer',
      comment: 'every folder of indexer/ must be in the list above',
      severity: 'error',
      from: {},
      to: { path: '^indexer/', pathNot: layers.flat().map(pathOf) },
    },
    {
      name: 'no-circles',
      comment: 'neither of values nor of types',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'commands-load-lazily',
      comment: '`indexer --help` loads no library: a command imports what it runs inside its action',
      severity: 'error',
      from: { path: '^indexer/(main\\.ts|cli/)', pathNot: '^indexer/cli/progress-bar\\.ts$' },
      to: {
        path: '^indexer/|node_modules/',
        pathNot: [
          '^indexer/(cli|kernel)/',
          '^indexer/(observability/redact|config/secrets)\\.ts$',
          'node_modules/(commander|@types)/',
        ],
        dependencyTypesNot: ['type-only'],
        dynamic: false,
      },
    },
    {
      name: 'indexer-stands-alone',
      comment: 'the program imports no test, no benchmark and no tool configuration',
      severity: 'error',
      from: { path: '^indexer/' },
      to: { path: '^(test|bench|config|demo)/' },
    },
    {
      name: 'abis-are-read-by-decode-and-registry',
      severity: 'error',
      from: { path: '^indexer/', pathNot: '^indexer/(protocols|registry|ingest)/' },
      to: { path: '^abis/' },
    },
    {
      name: 'abis-stand-alone',
      severity: 'error',
      from: { path: '^abis/' },
      to: { path: '^(indexer|migrations|test|bench|config|demo)/' },
    },
    {
      name: 'migrations-are-read-by-migrate',
      severity: 'error',
      from: { path: '^indexer/', pathNot: '^indexer/db/' },
      to: { path: '^migrations/' },
    },
    {
      name: 'migrations-stand-alone',
      comment: 'a migration is immutable: it may not change because the program did',
      severity: 'error',
      from: { path: '^migrations/' },
      to: { pathNot: '^migrations/|node_modules/kysely/|^kysely$' },
    },
    {
      name: 'bull-board-loads-lazily',
      comment: 'it takes a third of the time that a daemon needs to start, and few daemons are asked for it',
      severity: 'error',
      from: { path: '^indexer/', pathNot: '^indexer/http/queue-board\\.ts$' },
      to: {
        path: '^indexer/http/queue-board\\.ts$|node_modules/@bull-board/',
        dependencyTypesNot: ['type-only'],
        dynamic: false,
      },
    },
    {
      name: 'config-reads-only-define',
      severity: 'error',
      from: { path: '^config/local\\.ts$' },
      to: { pathNot: '^indexer/config/' },
    },
    {
      name: 'no-dev-dependencies-in-the-program',
      comment: 'of the development dependencies, the program may use only the libraries that config/build.ts bundles',
      severity: 'error',
      from: { path: '^(indexer|abis|migrations)/' },
      to: {
        dependencyTypes: ['npm-dev'],
        pathNot:
          'node_modules/(@opentelemetry|bullmq|cli-progress|commander|drizzle-orm|kysely|pg|pg-copy-streams|pino|prom-client|undici|ws|zod)/',
      },
    },
    {
      name: 'drizzle-is-optional',
      comment: 'a package has Drizzle only if it imports the definitions',
      severity: 'error',
      from: { pathNot: '^(indexer/drizzle|test)/' },
      to: { path: 'node_modules/drizzle-' },
    },
    {
      name: 'everything-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // swc also sees type-only imports, and TypeScript 7 has no compiler API. swc's visitor does not support `using` yet.
    parser: 'swc',
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['node', 'import', 'types', 'default'] },
  },
};
