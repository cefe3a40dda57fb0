/** The safety number on a screen: its groups, and what a scan or typed digits say about it. */

/** Digits of a group, as people read them aloud. */
const groupDigits = 5;

/** Returns the twelve groups of a safety number. */
export function groupsOf(digits: string): string[] {
  return digits.match(new RegExp(`.{1,${groupDigits}}`, 'g')) ?? [];
}

/** Returns whether a text that was scanned or pasted has the digits, with any blanks; undefined if it is no safety number. */
export function compareSafetyNumber(text: string, digits: string): boolean | undefined {
  const scanned = text.replace(/\s/g, '');
  if (!/^\d{60}$/.test(scanned)) return undefined;
  return scanned === digits;
}
