// Who may import whom. The comment is what a violator reads.
const layers = 'contract|api|workflows|activities|adapters|domain|platform|workers|cli|client';

const layer = (name, may, comment) => ({
  name: `${name}-imports`,
  comment,
  severity: 'error',
  from: { path: `^${name}/` },
  to: { path: `^(${layers})/`, pathNot: [name, ...may].map((folder) => `^${folder}/`) },
});
const fence = (pkg, ...homes) => ({
  name: `fence-${pkg.replace(/\W+/g, '-')}`,
  comment: `${pkg} is used only in ${homes.join(' and ')}; import that module instead.`,
  severity: 'error',
  from: { path: `^(${layers})/`, pathNot: homes.map((home) => `^${home}([.]ts$|/)`) },
  to: { path: `node_modules/${pkg}(/|$)`, dependencyTypesNot: ['type-only'] },
});
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

export default {
  forbidden: [
    layer('contract', ['domain'], 'contract/ is what clients rely on: zod and domain only.'),
    layer('domain', [], 'domain/ is pure: it knows no other folder.'),
    layer('platform', ['domain'], 'platform/ serves every process and knows no use case.'),
    layer('adapters', ['domain', 'platform'], 'An adapter talks to one outside system and knows no use case.'),
    layer('activities', ['domain', 'platform', 'adapters'], 'An activity is one effect; it never starts a workflow.'),
    layer('workflows', ['domain', 'activities'], 'A workflow decides; activities act.'),
    layer(
      'api',
      ['contract', 'domain', 'platform', 'adapters', 'workflows'],
      'The api starts and asks workflows; it never runs an activity.',
    ),
    layer(
      'workers',
      ['domain', 'platform', 'adapters', 'activities', 'workflows'],
      'Workers host; they serve no requests.',
    ),
    layer(
      'cli',
      ['domain', 'platform', 'adapters', 'workflows'],
      'The command-line tool asks workflows and outside systems; it serves no requests and runs no activity.',
    ),
    layer('client', ['contract'], 'Applications load client/: the contract is all that it knows of the server.'),
    rule(
      'client-runs-in-browsers',
      'Only client/file-store.ts is for Node alone; use what every runtime has.',
      { path: '^client/', pathNot: '^client/file-store[.]ts$' },
      { dependencyTypes: ['core'] },
    ),
    rule(
      'libsignal-judges-tests',
      "Signal's library is under the AGPL and decides in tests what is compatible; nothing that runs may need it.",
      { pathNot: '^test/' },
      { path: 'node_modules/@signalapp/' },
    ),
    rule(
      'product-knows-no-engines',
      'engines/, test/, bench/ and kibana/ run the product or look at it, never the other way.',
      { path: `^(${layers})/` },
      { path: '^(engines|test|bench|kibana)/' },
    ),

    rule(
      'kibana-knows-the-vocabulary',
      'Dashboards and alerts are made of domain/audit.ts and the index template; they need no other part of the product.',
      { path: '^kibana/' },
      { path: `^(${layers})/`, pathNot: '^(domain|platform|adapters/elastic)/' },
    ),
    rule(
      'activities-are-types-to-workflows',
      'Use `import type`: the sandbox must never load an activity.',
      { path: '^workflows/' },
      { path: '^activities/', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'adapters-are-arguments',
      'Take the adapter as an argument; the files of workers/ pass it in.',
      { path: '^activities/' },
      { path: '^adapters/', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'workflows-are-deterministic',
      'Only the workflow SDK: no Node built-in, no other package.',
      { path: '^workflows/' },
      { dependencyTypesNot: ['local', 'type-only'], pathNot: 'node_modules/@temporalio/(workflow|common)/' },
    ),
    rule(
      'domain-is-pure',
      'No package, no built-in: pass time, randomness and I/O in.',
      { path: '^domain/' },
      { dependencyTypesNot: ['local', 'type-only'] },
    ),
    rule(
      'adapters-do-not-meet',
      'Two systems meet in an activity, not inside an adapter.',
      { path: '^adapters/([^/.]+)' },
      { path: '^adapters/', pathNot: '^adapters/$1([.]ts$|/)' },
    ),
    rule(
      'operations-know-no-transport',
      'The table imports operations, never the other way.',
      { path: '^api/', pathNot: '^api/(main|gateway|rest|codec)[.]ts$' },
      { path: '^api/(rest|codec|http)[.]ts$', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'nouns-do-not-meet',
      'What two nouns of the api need is a module of its own in api/.',
      {
        path: '^api/(registrations|auth|users|devices|links|messages|conversations|admin|callbacks|system|verifications)/',
      },
      {
        path: '^api/(registrations|auth|users|devices|links|messages|conversations|admin|callbacks|system|verifications)/',
        pathNot: '^api/$1/',
      },
    ),
    rule(
      'contract-is-light',
      'Clients load it: zod and nothing else.',
      { path: '^contract/' },
      { dependencyTypesNot: ['local', 'type-only'], pathNot: 'node_modules/zod/' },
    ),
    rule(
      'main-is-a-leaf',
      'main.ts starts a process; only tests import it, in the two files that run one within theirs.',
      { pathNot: '^test/support/(api|vyry)[.]ts$' },
      { path: '(^|/)main[.]ts$' },
    ),
    rule(
      'nothing-imports-tests',
      'Production code must not lean on tests.',
      { pathNot: '^(test|bench)/' },
      { path: '^test/' },
    ),
    rule(
      'no-cycles',
      'A cycle means two files are one.',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    ),
    rule('no-unresolvable', 'It resolves to nothing.', {}, { couldNotResolve: true }),
    rule(
      'no-orphans',
      'Nothing uses this file: use it or delete it.',
      { orphan: true, pathNot: ['(^|/)(main|gateway|bundle|run)[.]ts$', '^test/'] },
      {},
    ),
    rule(
      'no-dev-dependency-in-production',
      'Move the package to dependencies.',
      { path: `^(${layers})/` },
      { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    ),

    fence('express', 'api/http'),
    fence('cors', 'api/http'),
    fence('socket.io', 'api/sockets'),
    fence('socket.io-parser', 'api/sockets/parser'),
    fence('engine.io', 'api/sockets/server'),
    fence('lru-cache', 'api/tokens'),
    fence('jose', 'api/tokens', 'api/grpc/callers', 'adapters/http/fcm', 'adapters/http/apns'),
    fence('@block65/webcrypto-web-push', 'adapters/http/webpush'),
    fence('@grpc', 'api/grpc'),
    fence('grpc-health-check', 'api/grpc'),
    fence('protobufjs', 'api/grpc'),
    fence('mongoose', 'adapters/mongo'),
    fence('ioredis', 'adapters/redis'),
    fence('ldapts', 'adapters/ldap'),
    fence('argon2', 'adapters/passwords'),
    fence('altcha-lib', 'adapters/captcha'),
    fence('libphonenumber-js', 'adapters/phone-numbers'),
    fence('ipaddr.js', 'adapters/ip-addresses'),
    fence('maxmind', 'adapters/geoip'),
    fence('twilio', 'adapters/twilio'),
    fence('nodemailer', 'adapters/mail'),
    fence('@temporalio/client', 'adapters/temporal', 'cli'),
    fence('@opentelemetry', 'adapters/collector'),
    fence('@temporalio/worker', 'workers'),
    fence('pino', 'platform/log'),
    fence('@noble', 'client'),
    fence('@panva/hpke-noble', 'client/hpke'),
    fence('hpke', 'client/hpke'),
    fence('idb', 'client/indexed-db-store'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
