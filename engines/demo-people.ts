/** The people of the demo directory (engines/directory/), as a person trying Vyry meets them. */

/** Somebody who can register. */
export interface DemoPerson {
  username: string;
  password: string;
  /** How a code reaches them. */
  channel: 'sms' | 'email';
  /** Number or e-mail address. */
  address: string;
  about: string;
}

/** Those with a story. */
export const demoPeople: readonly DemoPerson[] = [
  {
    username: 'ada',
    password: 'analytical-engine',
    channel: 'sms',
    address: '+447700900101',
    about: 'a number in Britain',
  },
  {
    username: 'grace',
    password: 'nanoseconds-1906',
    channel: 'sms',
    address: '+12025550102',
    about: 'a number in the United States',
  },
  {
    username: 'joan',
    password: 'bletchley-1944',
    channel: 'email',
    address: 'joan@example.org',
    about: 'no number: codes by e-mail',
  },
];

/** Is in the directory, but disabled: her right password is refused. */
export const disabledPerson = { username: 'mallory', password: 'disabled-entry' };

/** `person000` to `person999`. */
export function numberedPerson(index: number): DemoPerson {
  const digits = String(index).padStart(3, '0');
  return {
    username: `person${digits}`,
    password: `person-${digits}`,
    channel: 'sms',
    address: `+447700900${digits}`,
    about: 'one of a thousand',
  };
}

/** A demo person by name, numbered ones included. */
export function findDemoPerson(username: string): DemoPerson | undefined {
  const index = /^person(\d{3})$/.exec(username)?.[1];
  return index === undefined
    ? demoPeople.find((person) => person.username === username)
    : numberedPerson(Number(index));
}
