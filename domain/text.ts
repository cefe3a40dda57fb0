/**
 * Text as people type and paste it, in the form in which Vyry reads it. The same functions read values of the
 * directory. They are never applied to passwords, which have their own preparation (`domain/passwords.ts`).
 */

/**
 * Removes what nobody sees: white space at the ends, and default-ignorable code points everywhere (Unicode DerivedCore-
 * Properties: direction marks, joiners, byte order marks, soft hyphens), which copying adds around numbers and addresses.
 */
export function cleanText(text: string): string {
  return text.replace(/\p{Default_Ignorable_Code_Point}/gu, '').trim();
}

/** Returns a text with the decimal digits of every script, full-width ones too, as ASCII digits. */
export function asciiDigits(text: string): string {
  return text.replace(/\p{Nd}/gu, (digit) => String(digitValue(digit.codePointAt(0) ?? 0)));
}

/** Reads a code or a PIN: ASCII digits without the blanks and dashes that messages and keyboards put between them. */
export function readDigits(text: string): string {
  return asciiDigits(cleanText(text)).replace(/[\s\p{Pd}]/gu, '');
}

/** The mathematical digits are the only ranges that touch (Unicode chapter 22.3); every other run is 0 to 9. */
const mathematicalZero = 0x1d7ce;
const mathematicalNine = 0x1d7ff;

function digitValue(point: number): number {
  if (point >= mathematicalZero && point <= mathematicalNine) return (point - mathematicalZero) % 10;
  let value = 0;
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(point - value - 1))) value++;
  return value;
}
