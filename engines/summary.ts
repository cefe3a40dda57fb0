/** The output of the programs of engines/. */
import { relative } from 'node:path';
import { styleText } from 'node:util';
import type { DataFolder } from './data-folder.ts';
import { demoPeople, disabledPerson } from './demo-people.ts';
import { aclKeyIn, demoTwilio, type EngineUrls } from './engines.ts';
import { pushVariables, withDatabase } from './processes.ts';
import type { Ready } from './system.ts';

// a reader that ends, such as `head`, must not end the starter and leave its engines running
process.stdout.on('error', () => {});

/** Prints a line. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Prints an error. */
export function failure(err: unknown): void {
  console.error(styleText('red', err instanceof Error ? err.message : String(err)));
}

/** Returns the summary of a running system: its addresses and the demo people. */
export function summary(ready: Ready, folder: DataFolder, seconds: number): string {
  const people = [
    ['name', 'password', 'note'],
    ...demoPeople.map(({ username, password, about }) => [username, password, about]),
    [disabledPerson.username, disabledPerson.password, 'disabled; cannot register'],
    ['person000 … person999', 'person-000 … person-999', 'a thousand more, for load tests'],
  ];
  const places = [
    ['API', ready.apiUrl],
    ['API documentation', ready.docsUrl],
    ['gRPC (Signal’s registration-service, AuthService)', ready.grpcAddress],
    ['Outbox (every SMS, e-mail and push)', ready.outboxUrl],
    ['Signal-Server (a fake; asks the gRPC server)', ready.signalServerUrl],
    ...(ready.temporalUiUrl ? [['Temporal UI', ready.temporalUiUrl]] : []),
    ...(ready.elasticsearchUrl ? [['Elasticsearch', ready.elasticsearchUrl]] : []),
  ];
  return [
    `\n${styleText(['bold', 'green'], 'Vyry runs')} (ready in ${seconds.toFixed(1)} s)\n`,
    indent(table(places)),
    `\n${styleText('bold', 'People of the demo directory')}\n`,
    indent(table(people)),
    `\nLogs are in ${shorten(folder.logs)}, addresses for scripts in ${shorten(folder.path)}/ready.json.`,
    `Next: run ${styleText('bold', 'npm run demo')} in another terminal; operators have ${styleText('bold', 'npx vyry --help')}. Ctrl-C stops everything.\n`,
  ].join('\n');
}

/** Returns the variables with which a process started by hand finds the engines. */
export function enginesSummary(urls: EngineUrls, folder: DataFolder): string {
  const lines = {
    TEMPORAL_ADDRESS: urls.temporalAddress,
    REDIS_URL: urls.redisUrl,
    REDIS_ACL_KEY: aclKeyIn(folder).reveal(),
    DATABASE_URL: withDatabase(urls.databaseUrl),
    ...(urls.elasticsearchUrl && { ELASTICSEARCH_URL: urls.elasticsearchUrl }),
    LDAP_URL: urls.ldap.url,
    LDAP_BASE_DN: urls.ldap.baseDn,
    LDAP_BIND_DN: urls.ldap.bindDn,
    LDAP_BIND_PASSWORD: urls.ldap.bindPassword,
    TWILIO_ACCOUNT_SID: demoTwilio.accountSid,
    TWILIO_AUTH_TOKEN: demoTwilio.authToken,
    TWILIO_FROM: demoTwilio.from,
    TWILIO_API_BASE_URL: urls.twilioUrl,
    SMTP_URL: urls.smtpUrl,
    ...pushVariables({}, urls),
    SIGNAL_SERVER_URL: urls.signalServerUrl,
  };
  return [
    `\n${styleText(['bold', 'green'], 'The engines run.')} For a process started by hand:\n`,
    indent(
      Object.entries(lines)
        .map(([name, value]) => `export ${name}='${value}'`)
        .join('\n'),
    ),
    `\nOutbox: ${urls.outboxUrl}${urls.temporalUiUrl ? `   Temporal UI: ${urls.temporalUiUrl}` : ''}`,
    `Logs are in ${shorten(folder.logs)}. Ctrl-C stops everything.\n`,
  ].join('\n');
}

/** Returns the lines of a table with aligned columns. */
function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}

function shorten(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}
