import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { openAuditLog } from '../support/audit-log.ts';
import { setFault } from '../support/faults.ts';
import { signedIn } from '../support/people.ts';
import { must, phoneOf, registrationAtCode } from '../support/registrations.ts';
import { eventually, until } from '../support/until.ts';
import { vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind: stores } = await withSystem({}, { elasticsearch: true });
const { shipped } = openAuditLog(system, stores);
const vyry = vyryFor(system);

beforeEach(() => setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' }));

interface Found {
  account?: { userId: string; phone: string; sessions: number; directory: string; lastLogIn: string };
  pseudonyms: string[];
  workflows: { workflowId: string; state?: string; step?: string; waitingFor?: string }[];
  sends: { action: string; status: string; provider?: string; reason?: string }[];
  missing: Record<string, string>;
}

async function found(subject: string): Promise<Found> {
  await shipped();
  return JSON.parse((await vyry(['find', subject, '--json'])).stdout) as Found;
}

describe('vyry find', () => {
  it('shows the account of a person by every name, with sessions, directory and sends, and nothing in clear', async () => {
    const { user } = await signedIn(system, 400);
    for (const subject of [user.userId, 'person400', 'PERSON400', phoneOf(400)]) {
      const { account, pseudonyms, missing } = await found(subject);
      assert.deepEqual([account?.userId, account?.sessions, missing], [user.userId, 1, {}], subject);
      assert.ok(pseudonyms.length >= 3);
    }
    const { stdout } = await vyry(['find', 'person400']);
    assert.equal(stdout.includes(phoneOf(400)), false);
    assert.match(stdout, /^sessions +1$/m);
    assert.match(stdout, /^lastLogIn +\d{4}-/m);
  });

  it('shows where somebody without an account is stuck, and which provider does not take the code', async () => {
    const registration = await registrationAtCode(system.ready.apiUrl, 401);
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'error500' });
    await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    await until(async () => (await registration.call('GET', '')).body.waitingFor === 'sms');
    for (const subject of [phoneOf(401), 'person401', `registration:${registration.id}`]) {
      // the visibility store and the audit log lag behind
      const seen = await eventually(async () => {
        const now = await found(subject);
        const isSeen = now.workflows.some(({ waitingFor }) => waitingFor === 'sms') && now.sends.length > 0;
        return isSeen ? now : undefined;
      });
      assert.equal(seen.account, undefined);
      assert.deepEqual(
        seen.workflows.map(({ workflowId, step }) => [workflowId, step]),
        [[`registration:${registration.id}`, 'code']],
      );
      const failed = seen.sends.find(({ action }) => action === 'message-send');
      assert.deepEqual([failed?.action, failed?.status, failed?.provider], ['message-send', 'failure', 'twilio']);
    }
  });

  it('shows the other parts while Elasticsearch is unavailable, and names the part that it cannot show', async () => {
    await signedIn(system, 402);
    const away = vyryFor(system, { ELASTICSEARCH_URL: 'http://127.0.0.1:1' });
    const { code, stdout } = await away(['find', 'person402']);
    assert.equal(code, 0);
    assert.match(stdout, /^sessions +1$/m);
    assert.match(stdout, /^sends not shown: Elasticsearch does not answer/m);
  });

  it('says that nothing is known of a stranger, as JSON where that is asked for', async () => {
    const { code, stderr } = await vyry(['find', 'nobody-of-that-name', '--json']);
    assert.equal(code, 1);
    assert.deepEqual(JSON.parse(stderr), {
      error: { code: 'failed', message: 'Nothing is known of nobody-of-that-name.' },
    });
    const wrong = await vyry(['find', 'a, b', '--json']);
    assert.equal(wrong.code, 2);
    assert.equal((JSON.parse(wrong.stderr) as { error: { code: string } }).error.code, 'usage');
  });
});
