/**
 * Numbers with a known code, to which no message is sent: for testers and development.
 *
 * Terminology
 * - test number: a number that the configuration lists with its code.
 * - fictitious: in a range that a country reserves for film and drama, so that no subscriber has it.
 * - last digits: an SMS provider that sends nothing; the code is the last six digits of the number.
 */

/** The provider name reported for a test number. */
export const testProvider = 'test';

/** The provider name reported, and configured, when the code is the last six digits of the number. */
export const lastDigitsProvider = 'last-digits';

/**
 * +1: the unassigned area code 555, and 555-0100 to 555-0199 of every other area code (ATIS-0300115);
 * +44: Ofcom's numbers for drama; +33: ARCEP's numbers for audiovisual works.
 */
const fictitious = [/^\+1555\d{7}$/, /^\+1\d{3}55501\d\d$/, /^\+44(7700900|2079460|1632960)\d{3}$/, /^\+3363998\d{4}$/];

/** Returns whether an E.164 number is fictitious. */
export function isFictitious(number: string): boolean {
  return fictitious.some((range) => range.test(number));
}

/**
 * Parses numbers and their codes: `+15550100001=123456,+15550100002=654321`. Error messages contain neither.
 *
 * @throws {RangeError} on an item that is not an E.164 number with a six-digit code, or a number listed twice
 */
export function readTestNumbers(text: string): ReadonlyMap<string, string> {
  const codes = new Map<string, string>();
  for (const item of text.split(',').filter((part) => part.trim() !== '')) {
    const [, number, code] = /^\s*(\+[1-9]\d{6,14})=(\d{6})\s*$/.exec(item) ?? [];
    if (number === undefined || code === undefined)
      throw new RangeError('must be numbers with six-digit codes, such as +15550100001=123456');
    if (codes.has(number)) throw new RangeError('lists a number twice');
    codes.set(number, code);
  }
  return codes;
}

/** Returns the last six digits of a number. */
export function lastDigitsOf(number: string): string {
  return number.slice(-6);
}
