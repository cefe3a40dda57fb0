import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { signedIn } from '../support/people.ts';
import { completedRegistration, must } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor, vyryProcessFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api } = await withSystem();
const vyry = vyryFor(system);

const me = (token: string) => api.readMe({ token });

describe('vyry users', () => {
  it('disables a user: sessions end at once, new ones are refused, and the command can be repeated', async () => {
    const [tokens, other] = [await signedIn(system, 20), await signedIn(system, 21)];
    await must(me(tokens.accessToken));

    assert.deepEqual(
      jsonOf(await vyryProcessFor(system)(['users', 'disable', 'person020', '--by', 'alice', '--json'])),
      {
        userId: tokens.user.userId,
        isDisabled: true,
        sessionsEnded: 1,
      },
    );
    assert.equal((await me(tokens.accessToken)).status, 401);
    const body = { refreshToken: tokens.refreshToken };
    assert.equal((await api.refreshTokens({ body })).status, 401);
    assert.equal(jsonOf(await vyry(['users', 'disable', tokens.user.userId, '--json'])).sessionsEnded, 0);
    // other users are not affected
    await must(me(other.accessToken));
  });

  it('refuses a disabled account the session of its registration until it is enabled', async () => {
    const registration = await completedRegistration(system, 22);
    await vyry(['users', 'disable', 'person022']);
    const refused = await registration.call('POST', '/session');
    assert.deepEqual([refused.status, refused.body.error_code], [403, 'FORBIDDEN']);
    const { stdout } = await vyry(['users', 'enable', 'PERSON022']);
    assert.match(stdout, /is enabled/);
    const { body } = await must(registration.call('POST', '/session'), 201);
    assert.equal('disabledAt' in body.user, false);
    await must(me(body.accessToken));
  });

  it('records events that name the operator', async () => {
    const { userId } = jsonOf(await vyry(['users', 'show', 'person022', '--json']));
    const { events } = await readLog();
    const own = events.filter((event) => event.userId === userId).map(({ event, operator }) => [event, operator]);
    assert.deepEqual(
      own.map(([event]) => event),
      ['user.disabled', 'user.enabled'],
    );
    for (const [, operator] of own) assert.match(String(operator), /^[\w.-]+$/);
  });

  it('shows an account with masked number and address', async () => {
    const { stdout } = await vyry(['users', 'show', 'person022']);
    assert.match(stdout, /username +person022\n/);
    assert.match(stdout, /email +p•••@example\.org\n/);
    assert.match(stdout, /sessions +1\n/);
    assert.match(stdout, /disabled +no\n/);
    assert.doesNotMatch(stdout, /447700900022|person022@/);
  });

  it('also ends a session that begins while the account is being disabled', async () => {
    const registrations = await Promise.all([23, 24, 25, 26].map((person) => completedRegistration(system, person)));
    const started = registrations.map((registration) => registration.call('POST', '/session'));
    const disabled = Promise.all([23, 24, 25, 26].map((person) => vyry(['users', 'disable', `person0${person}`])));
    const answers = await Promise.all(started);
    await disabled;
    for (const { status, body } of answers) {
      if (status === 201) assert.equal((await me(body.accessToken)).status, 401);
      else assert.equal(status, 403);
    }
  });

  it('reports an unknown user', async () => {
    const { code, stderr } = await vyry(['users', 'disable', 'nobody']);
    assert.deepEqual([code, stderr], [1, 'There is no account with this id or user name.\n']);
  });

  it('completes once its worker is back', async () => {
    const { userId, accessToken } = await signedIn(system, 27);
    await system.kill('registration');
    const disabling = vyry(['users', 'disable', 'person027']);
    await until(async () => {
      const { status } = await behind.temporal.workflow.getHandle(`user-administration:${userId}`).describe();
      return status.name === 'RUNNING';
    });
    await system.restart('registration');
    assert.equal((await disabling).code, 0);
    assert.equal((await me(accessToken)).status, 401);
  });
});

async function readLog(): Promise<{ events: Record<string, unknown>[] }> {
  const text = await readFile(system.processes.logFile('registration'), 'utf8');
  return {
    events: text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  };
}
