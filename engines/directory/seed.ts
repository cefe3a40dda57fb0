import { readFile } from 'node:fs/promises';

/**
 * Returns the entries of the test and demo directory as one LDIF text (RFC 2849): branches, demo people, `person000` to
 * `person999` and the additional entries.
 */
export async function readSeed(additional = ''): Promise<string> {
  const [tree, people] = await Promise.all(
    ['tree.ldif', 'people.ldif'].map((name) => readFile(new URL(name, import.meta.url), 'utf8')),
  );
  return [tree, people, ...Array.from({ length: 1000 }, (_, index) => person(index)), additional].join('\n');
}

/** The password is `person-NNN`; the number is +447700900000 plus NNN, from a range that Ofcom reserves for drama. */
function person(index: number): string {
  const digits = String(index).padStart(3, '0');
  return `dn: uid=person${digits},ou=people,dc=example,dc=org
objectClass: inetOrgPerson
entryUUID: bea00000-0000-4000-8000-000000000${digits}
uid: person${digits}
cn: Person ${digits}
sn: ${digits}
mail: person${digits}@example.org
mobile: +447700900${digits}
userPassword: person-${digits}
`;
}
