/**
 * Changes of national numbering plans: numbers that got more, fewer or other digits, while their subscribers stayed. An
 * account may have been made with the number from before, and people go on typing it.
 *
 * Each row has the numbers before and after a change. Sources: the national numbering plans of ITU-T E.129 and the ITU
 * Operational Bulletins of the years named.
 */

interface Change {
  from: RegExp;
  to: string;
  /** The way back, to find what was stored before the change. */
  back: readonly [RegExp, string];
}

/** Mobile prefixes of Vietnam until 2018, and those that replaced them (decision 798/QD-BTTTT). */
const vietnam: Readonly<Record<string, string>> = {
  ...{ 120: '70', 121: '79', 122: '77', 126: '76', 128: '78' },
  ...{ 123: '83', 124: '84', 125: '85', 127: '81', 129: '82' },
  ...{ 162: '32', 163: '33', 164: '34', 165: '35', 166: '36', 167: '37', 168: '38', 169: '39' },
  ...{ 186: '56', 188: '58', 199: '59' },
};

/** How fixed lines of Orange in Ivory Coast began until 2021: the only beginnings after 27 that libphonenumber knows. */
const fixedOrange = '(?:2(?:0[23]|1[2357]|2[245]|3[45]|4[3-5])|3(?:06|1[69]|[2-6]7))';

const changes: readonly Change[] = [
  // Benin, 30 November 2024: 01 before every number
  { from: /^\+229(\d{8})$/, to: '+22901$1', back: [/^\+22901(\d{8})$/, '+229$1'] },
  // Ivory Coast, 31 January 2021: the mobile networks got the prefixes 01 (Moov), 05 (MTN) and 07 (Orange)
  { from: /^\+225([04-7][0-3]\d{6})$/, to: '+22501$1', back: [/^\+22501([04-7][0-3]\d{6})$/, '+225$1'] },
  { from: /^\+225([04-9][4-6]\d{6})$/, to: '+22505$1', back: [/^\+22505([04-9][4-6]\d{6})$/, '+225$1'] },
  { from: /^\+225([04-9][7-9]\d{6})$/, to: '+22507$1', back: [/^\+22507([04-9][7-9]\d{6})$/, '+225$1'] },
  // ... and the fixed networks 21 (Moov), 25 (MTN) and 27 (Orange); the third digit of the former number names the network
  { from: /^\+225((?:2[0-4]|3[0-6])8\d{5})$/, to: '+22521$1', back: [/^\+22521((?:2[0-4]|3[0-6])8\d{5})$/, '+225$1'] },
  { from: /^\+225((?:2[0-4]|3[0-6])0\d{5})$/, to: '+22525$1', back: [/^\+22525((?:2[0-4]|3[0-6])0\d{5})$/, '+225$1'] },
  {
    from: new RegExp(`^\\+225(${fixedOrange}\\d{5})$`),
    to: '+22527$1',
    back: [new RegExp(`^\\+22527(${fixedOrange}\\d{5})$`), '+225$1'],
  },
  // Mexico, 3 August 2019: no 1 before the numbers of mobiles
  { from: /^\+521(\d{10})$/, to: '+52$1', back: [/^\+52(\d{10})$/, '+521$1'] },
  // Brazil, 2012 to 2016: 9 before the numbers of mobiles
  { from: /^\+55([1-9][1-9])([689]\d{7})$/, to: '+55$19$2', back: [/^\+55([1-9][1-9])9([689]\d{7})$/, '+55$1$2'] },
  // Vietnam, 15 September to 14 November 2018: eleven digits became ten
  ...Object.entries(vietnam).map(
    ([before, after]): Change => ({
      from: new RegExp(`^\\+84${before}(\\d{7})$`),
      to: `+84${after}$1`,
      back: [new RegExp(`^\\+84${after}(\\d{7})$`), `+84${before}$1`],
    }),
  ),
];

/** Returns the number that a subscriber has today: the same, or the one after a change of the numbering plan. */
export function currentNumber(e164: string): string {
  const change = changes.find(({ from }) => from.test(e164));
  return change === undefined ? e164 : e164.replace(change.from, change.to);
}

/** Returns the numbers that the subscriber of a current number had before changes of the numbering plan. */
export function formerNumbers(e164: string): string[] {
  return changes.flatMap(({ back: [now, before] }) => (now.test(e164) ? [e164.replace(now, before)] : []));
}
