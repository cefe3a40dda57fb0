/** Attributes by which directories end an account at an instant. */

type Read = (attribute: string) => string[];

/** Returns milliseconds since the Unix epoch; undefined for a value that stands for no end. */
type ReadEnd = (value: string) => number | undefined;

/** The attributes that hold an end, by the directories that have them. */
const ends: Readonly<Record<string, ReadEnd>> = {
  // Active Directory ([MS-ADA1] section 2.3)
  accountExpires: readFileTime,
  // draft-behera-ldap-password-policy section 5.3.10: OpenLDAP and others
  pwdEndTime: readGeneralizedTime,
  // MIT Kerberos, FreeIPA
  krbPrincipalExpiration: readGeneralizedTime,
  // NetIQ eDirectory
  loginExpirationTime: readGeneralizedTime,
  // OpenDJ, PingDirectory
  'ds-pwp-account-expiration-time': readGeneralizedTime,
  // RFC 2307 section 2.2, in days as in shadow(5)
  shadowExpire: (value) => readCount(value, 86_400_000),
  // Samba, in seconds
  sambaKickoffTime: (value) => readCount(value, 1000),
};

/** The names of those attributes. */
export const endAttributes: readonly string[] = Object.keys(ends);

/** Returns whether an entry has ended by `now`, in milliseconds since the Unix epoch. */
export function hasEnded(read: Read, now: number): boolean {
  return Object.entries(ends).some(([attribute, readEnd]) =>
    read(attribute).some((value) => (readEnd(value) ?? Number.POSITIVE_INFINITY) <= now),
  );
}

/** The 1st of January 1970 in a FILETIME: milliseconds since the 1st of January 1601 ([MS-DTYP] section 2.3.3). */
const epochOfFileTimeMs = 11_644_473_600_000;

/** 100 ns since 1601. 0 and 2⁶³ − 1 stand for "never". */
function readFileTime(value: string): number | undefined {
  if (!/^\d{1,19}$/.test(value)) return undefined;
  const ticks = BigInt(value);
  return ticks === 0n || ticks >= 2n ** 63n - 1n ? undefined : Number(ticks / 10_000n) - epochOfFileTimeMs;
}

/** 0, a negative number and the largest number of 32 bits stand for "never". */
function readCount(value: string, unitMs: number): number | undefined {
  const count = /^\d{1,15}$/.test(value) ? Number(value) : 0;
  return count === 0 || count >= 2 ** 31 - 1 ? undefined : count * unitMs;
}

/** RFC 4517 section 3.3.13. Minutes and seconds may be missing; a fraction of the last part is left out. */
function readGeneralizedTime(value: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)?(\d\d)?(?:[.,]\d+)?(?:Z|([+-])(\d\d)(\d\d)?)$/.exec(value);
  if (parts === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const offsetMinutes = Number(parts[8] ?? 0) * 60 + Number(parts[9] ?? 0);
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  return at - (parts[7] === '-' ? -1 : 1) * offsetMinutes * 60_000;
}
