/** An Elasticsearch with security: a user for each role of Vyry, with the privileges that docs/deploy.md gives to it. */
import assert from 'node:assert/strict';
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { connectElastic, type Elastic } from '../../adapters/elastic/connect.ts';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { startElasticsearch } from '../../engines/elasticsearch.ts';
import { until } from './until.ts';

/** The roles with an account of Elasticsearch. */
type ElasticRole = 'audit' | 'api' | 'registration';

/** The server, and its clients. */
interface SecuredElastic extends AsyncDisposable {
  /** Its administrator. */
  admin: Elastic;
  as(role: ElasticRole): Elastic;
}

const deployPage = join(resolve(import.meta.dirname, '..', '..'), 'docs', 'deploy.md');

/** Returns the privileges of a role: the body of its API key in docs/deploy.md. */
function privilegesOf(role: ElasticRole, prefix: string): unknown {
  const page = readFileSync(deployPage, 'utf8');
  const [, body] = new RegExp(`^# ${role}\\n(\\{.*\\})$`, 'm').exec(page) ?? [];
  assert.ok(body, `docs/deploy.md has the privileges of ${role}`);
  return JSON.parse(body.replaceAll('auth-logs', prefix));
}

/** Starts the server with users in files, because this distribution has nothing to store API keys in. */
export async function startSecuredElastic(prefix: string): Promise<SecuredElastic> {
  const roles = ['audit', 'api', 'registration'] as const;
  const passwords = new Map(['admin', ...roles].map((user) => [user, randomBytes(12).toString('hex')]));
  const passwordOf = (user: string) => passwords.get(user) ?? '';
  const folder = await openTemporaryFolder();
  const engine = await startElasticsearch({
    folder,
    security: {
      user: 'admin',
      password: passwordOf('admin'),
      files: {
        users: [...passwords].map(([user, password]) => `${user}:${hashOf(password)}\n`).join(''),
        users_roles: ['superuser:admin', ...roles.map((role) => `vyry-${role}:${role}`)].join('\n'),
        // a role is a line, in JSON, which is YAML too
        'roles.yml': roles.map((role) => `vyry-${role}: ${JSON.stringify(privilegesOf(role, prefix))}\n`).join(''),
      },
    },
  });
  const clients: Elastic[] = [];
  const connect = (user: string) => {
    const url = Object.assign(new URL(engine.url), { username: user, password: passwordOf(user) });
    const client = connectElastic({ url: url.href, timeoutMs: 600_000 });
    clients.push(client);
    return client;
  };
  const admin = connect('admin');
  await until(async () => (await admin.cluster.health()).status !== 'red');
  return {
    admin,
    as: connect,
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close();
      await folder.close();
    },
  };
}

/** The hash of a password as the file realm reads it: PBKDF2 with HMAC-SHA-512. */
function hashOf(password: string): string {
  const [salt, cost] = [randomBytes(32), 10_000];
  const hash = pbkdf2Sync(password, salt, cost, 32, 'sha512');
  return `{PBKDF2}${cost}$${salt.toString('base64')}$${hash.toString('base64')}`;
}
