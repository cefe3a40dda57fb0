/** The people of the demo directory (engines/directory/), for the demo and the summary of `npm start`. */

/** A person who can register. */
export interface DemoPerson {
  username: string;
  password: string;
  /** The channel by which a code reaches the person. */
  channel: 'sms' | 'email';
  /** Number or e-mail address. */
  address: string;
  about: string;
}

/** The demo people with names. */
export const demoPeople: readonly DemoPerson[] = [
  {
    username: 'ada',
    password: 'analytical-engine',
    channel: 'sms',
    address: '+447700900101',
    about: 'a number in the United Kingdom',
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
    about: 'no number; codes by e-mail',
  },
];

/** A person whose directory entry is disabled: the right password is refused. */
export const disabledPerson = { username: 'mallory', password: 'disabled-entry' };

/** Returns one of `person000` to `person999`. */
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

/** Finds a demo person by name, including the numbered ones. */
export function findDemoPerson(username: string): DemoPerson | undefined {
  const index = /^person(\d{3})$/.exec(username)?.[1];
  return index === undefined
    ? demoPeople.find((person) => person.username === username)
    : numberedPerson(Number(index));
}
