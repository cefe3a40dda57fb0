/**
 * Numbers whose code is known beforehand, so that nobody is sent one: for testers, and for development.
 *
 * Terminology
 * - test number: a number that is listed with its code.
 * - fictitious: of a range that its country has moved to the dead letters for films and books, so that it is nobody's.
 * - last digits: a way of sending that sends nothing; the code is the end of the number, which everybody knows.
 */

/** Named as a provider where the code of a test number is told of. */
export const testProvider = 'test';

/** Named as a provider where the code is the last six digits of the number. */
export const lastDigitsProvider = 'last-digits';

/**
 * +1: the area code 555, which is given to nobody, and the lines 555-0100 to 555-0199 of every other (ATIS-0300115);
 * +44: Ofcom's numbers for drama; +33: those of ARCEP for audiovisual works.
 */
const fictitious = [/^\+1555\d{7}$/, /^\+1\d{3}55501\d\d$/, /^\+44(7700900|2079460|1632960)\d{3}$/, /^\+3363998\d{4}$/];

/** Tells whether a number, E.164, can be nobody's. */
export function isFictitious(number: string): boolean {
  return fictitious.some((range) => range.test(number));
}

/**
 * Reads numbers and their codes: `+15550100001=123456,+15550100002=654321`. What it throws names neither.
 *
 * @throws {RangeError} an item that is no number in E.164 with a code of six digits, or a number listed twice
 */
export function readTestNumbers(text: string): ReadonlyMap<string, string> {
  const codes = new Map<string, string>();
  for (const item of text.split(',').filter((part) => part.trim() !== '')) {
    const [, number, code] = /^\s*(\+[1-9]\d{6,14})=(\d{6})\s*$/.exec(item) ?? [];
    if (number === undefined || code === undefined)
      throw new RangeError('must be numbers with codes of six digits, such as +15550100001=123456');
    if (codes.has(number)) throw new RangeError('lists a number twice');
    codes.set(number, code);
  }
  return codes;
}

/** The code that everybody knows. */
export function lastDigitsOf(number: string): string {
  return number.slice(-6);
}
