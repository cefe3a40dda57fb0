import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import type { DirectoryAnswer } from '../../adapters/ldap/answer.ts';
import { readRefusal } from '../../adapters/ldap/bind-result.ts';
import type { Directory } from '../../adapters/ldap/connect.ts';
import {
  connectTo,
  forward,
  personAttributes,
  startTestDirectory,
  startTestServer,
  type TestDirectory,
} from '../support/ldap.ts';
import { until } from '../support/until.ts';

/** Attributes of other vendors' directories that OpenLDAP does not define. */
const configuration = `
attributetype ( 2.999.1 NAME 'nsAccountLock' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 2.999.2 NAME 'loginDisabled' SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )
attributetype ( 2.999.3 NAME 'userAccountControl' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 2.999.4 NAME 'objectGUID' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 2.999.5 NAME 'accountExpires' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 2.999.6 NAME 'krbPrincipalExpiration' SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE )
attributetype ( 2.999.7 NAME 'shadowExpire' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )`;

const ldif = [
  person('twin1', 'mail: twin@example.org'),
  person('twin2', 'mail: twin@example.org'),
  person(
    'multi2',
    'mail: multi2',
    'mail: multi2@example.org',
    'mobile: ext 12',
    'mobile: +44 7700 900999',
    'uid: multi',
  ),
  person('accent').replace(
    'userPassword: right',
    `userPassword:: ${Buffer.from('Gr\u00fc\u00dfe-\u00e9l\u00e8ve').toString('base64')}`,
  ),
  person('389ds', 'objectClass: extensibleObject', 'nsAccountLock: true'),
  person('edirectory', 'objectClass: extensibleObject', 'loginDisabled: TRUE'),
  person('ad-off', 'objectClass: extensibleObject', 'userAccountControl: 514'),
  person(
    'ad-on',
    'objectClass: extensibleObject',
    'userAccountControl: 512',
    'objectGUID:: MyIRAFVEd2aImaq7zN3u/w==',
    'mail: first@example.org',
  ),
  // the 1st of January 2020
  person('ad-ended', 'objectClass: extensibleObject', 'accountExpires: 132223104000000000'),
  person('ad-endless', 'objectClass: extensibleObject', 'accountExpires: 9223372036854775807'),
  person('ipa-ended', 'objectClass: extensibleObject', 'krbPrincipalExpiration: 20200101000000Z'),
  person('ipa-going', 'objectClass: extensibleObject', 'krbPrincipalExpiration: 99991231235959Z'),
  person('shadow-ended', 'objectClass: extensibleObject', 'shadowExpire: 18262'),
  person('shadow-endless', 'objectClass: extensibleObject', 'shadowExpire: -1'),
  person('reset', 'pwdReset: TRUE'),
  person('old', 'pwdPolicySubentry: cn=ageing,ou=policies,dc=example,dc=org', 'pwdChangedTime: 20200101000000Z'),
  person('clumsy'),
  person('(star*\\)', 'cn: Odd name'),
  person('józef', 'mail: jozef@example.org').replace('userPassword: right', 'userPassword: pässwörd 密'),
  `dn: cn=ageing,ou=policies,dc=example,dc=org
objectClass: device
objectClass: pwdPolicy
cn: ageing
pwdAttribute: userPassword
pwdMaxAge: 60
`,
].join('\n');

function person(uid: string, ...lines: string[]): string {
  return `dn: cn=entry of ${Buffer.from(uid).toString('hex')},ou=people,dc=example,dc=org
objectClass: inetOrgPerson
${lines.map((line) => `${line}\n`).join('')}uid: ${uid}
sn: Test
userPassword: right
`;
}

const refused = (reason: string) => ({ outcome: 'refused', reason });

describe('authenticate()', () => {
  let directory: TestDirectory;
  let ldap: Directory;

  before(async () => {
    directory = await startTestDirectory({ ldif, configuration });
    ldap = connectTo(directory);
  });
  after(async () => {
    await ldap.close();
    await directory[Symbol.asyncDispose]();
  });

  it('reads the id, names, e-mail address, phone number and groups of an entry', async () => {
    assert.deepEqual(await ldap.authenticate('ada', 'analytical-engine'), {
      outcome: 'ok',
      entry: {
        id: 'ada00000-0000-4000-8000-000000000001',
        dn: 'uid=ada,ou=people,dc=example,dc=org',
        username: 'ada',
        fullNames: ['Ada Lovelace'],
        emails: ['ada@example.org'],
        phones: ['+447700900101'],
        groups: ['cn=staff,ou=groups,dc=example,dc=org', 'cn=admins,ou=groups,dc=example,dc=org'],
      },
    });
  });

  it('returns no phone number for an entry that has only an e-mail address', async () => {
    const answer = await ldap.authenticate('joan', 'bletchley-1944');
    assert.deepEqual(entryOf(answer).emails, ['joan@example.org']);
    assert.deepEqual(entryOf(answer).phones, []);
  });

  it('reads the configured attributes, whatever the case of their names', async () => {
    const attributes = { ...personAttributes, id: 'UID', username: 'MAIL', name: 'SN', groups: 'objectclass' };
    await using other = connectTo(directory, { attributes });
    const entry = entryOf(await other.authenticate('grace', 'nanoseconds-1906'));
    assert.deepEqual(
      [entry.id, entry.username, entry.fullNames, entry.groups],
      ['grace', 'grace@example.org', ['Hopper'], ['inetOrgPerson']],
    );
  });

  it('F3: returns every value of an attribute, and the user name that was typed of several', async () => {
    const entry = entryOf(await ldap.authenticate('multi', 'right'));
    assert.deepEqual([entry.username, new Set(entry.emails)], ['multi', new Set(['multi2', 'multi2@example.org'])]);
    assert.deepEqual(new Set(entry.phones), new Set(['ext 12', '+44 7700 900999']));
  });

  it('F5: binds with the password in NFC, however it was typed', async () => {
    assert.equal((await ldap.authenticate('accent', 'Gru\u0308\u00dfe-e\u0301le\u0300ve')).outcome, 'ok');
  });

  it('F2: refuses an account that has ended, and counts it as disabled without a password', async () => {
    for (const name of ['ad-ended', 'ipa-ended', 'shadow-ended']) {
      assert.deepEqual(await ldap.authenticate(name, 'right'), refused('expired'), name);
      assert.equal((await ldap.entryStatusOf({ username: name })).entryStatus, 'disabled', name);
    }
    for (const name of ['ad-endless', 'ipa-going', 'shadow-endless']) {
      assert.equal(entryOf(await ldap.authenticate(name, 'right')).username, name);
      assert.equal((await ldap.entryStatusOf({ username: name })).entryStatus, 'active', name);
    }
  });

  it('F2: finds an entry by its immutable id, whatever its user name is', async () => {
    const id = entryOf(await ldap.authenticate('clumsy', 'right')).id;
    const byId = await ldap.authenticate('another-name', 'right', { directoryId: id });
    assert.equal(entryOf(byId).username, 'clumsy');
    const seen = await ldap.entryStatusOf({ directoryId: id, username: 'another-name' });
    assert.deepEqual(seen.entryStatus === 'active' && [seen.id, seen.usernames], [id, ['clumsy']]);
    const gone = await ldap.entryStatusOf({ directoryId: randomUUID(), username: 'clumsy' });
    assert.deepEqual(gone, { entryStatus: 'missing' });
  });

  it('F2: finds an entry by objectGUID, within the other conditions of the filter', async () => {
    const attributes = { ...personAttributes, id: 'objectGUID' };
    const directoryId = '00112233-4455-6677-8899-aabbccddeeff';
    await using other = connectTo(directory, { attributes, userFilter: '(|(uid={username})(mail={username}))' });
    const found = await other.entryStatusOf({ directoryId });
    assert.deepEqual(found.entryStatus === 'active' && found.usernames, ['ad-on']);
    await using narrow = connectTo(directory, { attributes, userFilter: '(&(uid={username})(sn=Other))' });
    assert.deepEqual(await narrow.entryStatusOf({ directoryId }), { entryStatus: 'missing' });
  });

  it('formats objectGUID as the UUID that Active Directory shows', async () => {
    await using other = connectTo(directory, { attributes: { ...personAttributes, id: 'objectGUID' } });
    assert.equal(entryOf(await other.authenticate('ad-on', 'right')).id, '00112233-4455-6677-8899-aabbccddeeff');
  });

  it('is unavailable for an entry without the configured id, because it could not be linked to an account', async () => {
    await using other = connectTo(directory, { attributes: { ...personAttributes, id: 'employeeNumber' } });
    assert.deepEqual(await other.authenticate('ada', 'analytical-engine'), {
      outcome: 'unavailable',
      reason: 'entry-incomplete',
    });
  });

  it('distinguishes a wrong password, an unknown name and a disabled entry', async () => {
    assert.deepEqual(await ldap.authenticate('ada', 'wrong'), refused('wrong-password'));
    assert.deepEqual(await ldap.authenticate('nobody', 'wrong'), refused('unknown'));
    assert.deepEqual(await ldap.authenticate('mallory', 'disabled-entry'), refused('disabled'));
    assert.deepEqual(await ldap.authenticate('mallory', 'wrong'), refused('disabled'));
  });

  it('refuses entries disabled the way 389 Directory Server, eDirectory and Active Directory do it', async () => {
    assert.deepEqual(await ldap.authenticate('389ds', 'right'), refused('disabled'));
    assert.deepEqual(await ldap.authenticate('edirectory', 'right'), refused('disabled'));
    assert.deepEqual(await ldap.authenticate('ad-off', 'right'), refused('disabled'));
    assert.equal((await ldap.authenticate('ad-on', 'right')).outcome, 'ok');
  });

  it('refuses a password that must be changed or has expired, as reported by the password policy control', async () => {
    assert.deepEqual(await ldap.authenticate('reset', 'right'), refused('must-change'));
    assert.deepEqual(await ldap.authenticate('old', 'right'), refused('expired'));
  });

  it('returns locked once the directory has locked an entry', async () => {
    for (let failure = 0; failure < 10; failure++) await ldap.authenticate('clumsy', 'wrong');
    assert.deepEqual(await ldap.authenticate('clumsy', 'right'), refused('locked'));
  });

  it('refuses a name shared by several entries, even more than the size limit of the server', async () => {
    await using byMail = connectTo(directory, { userFilter: '(|(uid={username})(mail={username}))' });
    assert.deepEqual(await byMail.authenticate('twin@example.org', 'right'), refused('ambiguous'));
    await using anybody = connectTo(directory, { userFilter: '(|(uid={username})(objectClass=person))' });
    assert.deepEqual(await anybody.authenticate('ada', 'analytical-engine'), refused('ambiguous'));
  });

  it('passes on names and passwords with non-ASCII characters unchanged', async () => {
    assert.equal(entryOf(await ldap.authenticate('józef', 'pässwörd 密')).emails[0], 'jozef@example.org');
    assert.deepEqual(await ldap.authenticate('józef', 'passwörd 密'), refused('wrong-password'));
  });

  it('E1: escapes filter characters in a name, so that it is one literal value', async () => {
    const from = (await directory.log()).length - 1;
    const names = ['*', 'a*', '*)(uid=*))(|(uid=*', 'admin)(&)', 'x)(objectClass=*', 'ada\0', '$&', '{username}'];
    for (const name of names) assert.deepEqual(await ldap.authenticate(name, 'right'), refused('unknown'));
    assert.deepEqual(filters(await directory.log(from)), [
      '(uid=\\2A)',
      '(uid=a\\2A)',
      '(uid=\\2A\\29\\28uid=\\2A\\29\\29\\28|\\28uid=\\2A)',
      '(uid=admin\\29\\28&\\29)',
      '(uid=x\\29\\28objectclass=\\2A)',
      '(uid=ada\\00)',
      '(uid=$&)',
      '(uid={username})',
    ]);
    assert.equal(entryOf(await ldap.authenticate('(star*\\)', 'right')).fullNames[0], 'Odd name');
  });

  it('E5: refuses an empty password before any search or bind', async () => {
    const from = (await directory.log()).length - 1;
    assert.deepEqual(await ldap.authenticate('ada', ''), refused('empty-password'));
    assert.deepEqual(butAnswers(await directory.log(from)), ['']);
  });

  it('E6: refuses NUL characters and non-string passwords before any bind', async () => {
    const from = (await directory.log()).length - 1;
    for (const password of ['\0', '\0secret', 'analytical-engine\0', undefined, null, [], {}]) {
      assert.deepEqual(await ldap.authenticate('ada', password as string), refused('empty-password'));
    }
    assert.deepEqual(butAnswers(await directory.log(from)), ['']);
  });

  it('E6: sends blank and zero-width passwords unchanged, so that they are wrong', async () => {
    for (const password of [' ', '\t', '\u200b', ' analytical-engine', 'analytical-engine ']) {
      assert.deepEqual(await ldap.authenticate('grace', password), refused('wrong-password'));
    }
  });

  it('refuses an unknown name and a wrong password after the same time, even if the server does not', async () => {
    let instant = 0;
    const sleep = async (ms: number) => {
      instant += ms;
    };
    await using slow = await startTestServer((socket, bytes) => {
      if (bytes.includes('uid=person998')) instant += 40;
      forward(socket, directory.port).write(bytes);
    });
    await using other = connectTo(directory, { urls: [slow.url], clock: { now: () => instant, sleep } });
    // opens the connections
    await other.authenticate('ada', 'wrong');
    const took: Record<string, number> = {};
    const asked: Record<string, string[]> = {};
    for (const name of ['person998', 'nobody']) {
      const [beganAt, from] = [instant, (await directory.log()).length - 1];
      assert.equal((await other.authenticate(name, 'wrong')).outcome, 'refused');
      took[name] = instant - beganAt;
      asked[name] = requests(await directory.log(from));
    }
    assert.deepEqual(took, { person998: 100, nobody: 100 });
    assert.deepEqual(asked, { person998: ['SRCH', 'BIND'], nobody: ['SRCH', 'BIND'] });
  });

  it('throws errors that contain no name, password or DN', async () => {
    await using other = connectTo(directory, { urls: ['ldap://127.0.0.1:1'] });
    const err = await other.ping().catch((thrown: unknown) => thrown);
    assert.ok(err instanceof Error);
    assert.equal(err.message, 'The directory is unavailable: unreachable');
    assert.doesNotMatch(inspect(err, { depth: 9, showHidden: true }), /example-only-bind|cn=vyry/);
  });
});

describe('the connection pools', () => {
  it('E21: give 200 parallel requests their own results, and never search on a connection a user has bound', async () => {
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const digits = String(index).padStart(3, '0');
        const isRight = index % 2 === 0;
        const answer = await ldap.authenticate(`person${digits}`, isRight ? `person-${digits}` : 'wrong');
        if (!isRight) return answer.outcome === 'refused' && answer.reason === 'wrong-password';
        return answer.outcome === 'ok' && answer.entry.username === `person${digits}`;
      }),
    );
    assert.equal(outcomes.filter((isOwn) => isOwn).length, 200);

    const lines = await directory.log();
    const searching = connections(lines, / SRCH base/);
    const people = connections(lines, / BIND dn="uid=/);
    assert.deepEqual(
      [...searching].filter((connection) => people.has(connection)),
      [],
    );
    assert.ok(searching.size <= 4 && people.size <= 4, `${searching.size} and ${people.size} connections`);
  });

  it('use one connection to search and one to bind for sequential requests', async () => {
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory);
    for (let request = 0; request < 20; request++) await ldap.authenticate('ada', 'analytical-engine');
    await ldap.ping();
    assert.equal((await directory.log()).filter((line) => line.includes(' ACCEPT ')).length, 2);
  });

  it('unbind from the server when they are closed', async () => {
    await using directory = await startTestDirectory();
    const ldap = connectTo(directory);
    await ldap.authenticate('ada', 'analytical-engine');
    await ldap.close();
    assert.deepEqual(await ldap.authenticate('ada', 'analytical-engine'), { outcome: 'unavailable', reason: 'closed' });
    await until(async () => (await directory.log()).filter((line) => line.endsWith(' UNBIND')).length === 2);
  });
});

describe('connectDirectory()', () => {
  it('refuses an invalid filter', async () => {
    await using directory = await startTestDirectory();
    assert.throws(() => connectTo(directory, { userFilter: '(uid={username}' }));
  });
});

describe('readRefusal()', () => {
  const of = (subCode: string) =>
    readRefusal(
      {
        code: 49,
        diagnostic: `80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data ${subCode}, v2580`,
      },
      { dn: 'CN=Ada,DC=example,DC=org' },
    );

  it('D4: maps the sub-codes of Active Directory', () => {
    assert.equal(of('525'), 'unknown');
    assert.equal(of('52e'), 'wrong-password');
    assert.equal(of('530'), 'not-now');
    assert.equal(of('532'), 'expired');
    assert.equal(of('533'), 'disabled');
    assert.equal(of('701'), 'expired');
    assert.equal(of('773'), 'must-change');
    assert.equal(of('775'), 'locked');
    assert.equal(of('999'), 'wrong-password');
  });

  it('maps the result codes of 389 Directory Server', () => {
    const entry = { dn: 'uid=ada,dc=example,dc=org' };
    assert.equal(readRefusal({ code: 53, diagnostic: 'Account inactivated' }, entry), 'disabled');
    assert.equal(readRefusal({ code: 19, diagnostic: 'Exceed password retry limit' }, entry), 'locked');
  });
});

function entryOf(answer: DirectoryAnswer) {
  assert.equal(answer.outcome, 'ok');
  return answer.entry;
}

function filters(lines: string[]): string[] {
  return lines.flatMap((line) => / filter="(.*)"$/.exec(line)?.[1] ?? []);
}

/** The searches and binds that a server received, in order. */
function requests(lines: string[]): string[] {
  return lines.flatMap((line) => / (SRCH|BIND) (?:base=|dn=".*" method=)/.exec(line)?.[1] ?? []);
}

/**
 * All lines except the ends of responses. slapd logs a request before it responds, but sometimes logs the response only
 * after the client has received it.
 */
function butAnswers(lines: string[]): string[] {
  return lines.filter((line) => !/ RESULT tag=/.test(line));
}

function connections(lines: string[], operation: RegExp): Set<string> {
  return new Set(lines.filter((line) => operation.test(line)).flatMap((line) => / (conn=\d+) /.exec(line)?.[1] ?? []));
}
