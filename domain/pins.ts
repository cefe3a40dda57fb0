/**
 * PINs that people choose most often, by the kinds that Bonneau, Preibusch and Anderson found ("A birthday present every
 * eleven wallets?", Financial Cryptography 2012) and Markert et al. confirmed for four and six digits ("This PIN can be
 * easily guessed", IEEE S&P 2020): repeats, runs, dates and patterns on the keypad.
 */

/** The straight lines of the keypad, in both directions; a PIN that consists of them is drawn, not remembered. */
const lines = ['123', '456', '789', '147', '258', '369', '159', '357', '2580', '580'].flatMap((line) => [
  line,
  [...line].reverse().join(''),
]);
/** The outer keys of the keypad in a circle. */
const ring = '1236987412369874';

/** Frequent PINs of no kind: from the lists of both papers. */
const common = new Set([
  ...['1004', '1379', '1397', '2468', '2486', '2684', '1359', '5683', '4863', '7465', '7667', '5252', '4200', '6969'],
  ...['5201', '1478', '8520', '0852', '7410', '9630', '1470', '3690', '1590', '0007', '8246', '7931', '9713', '9731'],
  ...['420420', '520131', '131420', '007007', '314159', '271828', '112358', '246810', '135790', '135246', '101520'],
  ...['520520', '789654', '142536', '415263', '159951', '246813', '5201314', '1314520', '31415926', '27182818'],
]);

/** Returns whether a PIN of digits is one of those that an attacker tries first. */
export function isWeakPin(pin: string): boolean {
  return isRepeat(pin) || isRun(pin) || isDrawn(pin) || isDate(pin) || common.has(pin);
}

/** One digit with a single other at an end, two digits only, a repeated part, every digit twice or more, or the same from both ends. */
function isRepeat(pin: string): boolean {
  const isAlmostOne = /^(\d)\1*\d$|^\d(\d)\2*$/.test(pin) || (pin.length >= 6 && new Set(pin).size <= 2);
  const isPart = /^(\d+)\1+$/.test(pin) || isRepeatCutOff(pin);
  return isAlmostOne || isPart || /^(\d)\1+(\d)\2+$/.test(pin) || [...pin].reverse().join('') === pin;
}

/** Such as 1212121: the last part is cut off. */
function isRepeatCutOff(pin: string): boolean {
  const sizes = [2, 3].filter((size) => pin.length >= size * 2);
  return sizes.some((size) => pin.slice(size) === pin.slice(0, -size));
}

/** The same small difference between all neighbours, modulo 10: of single digits, of repeated ones and of pairs. */
function isRun(pin: string): boolean {
  const collapsed = pin.replace(/(\d)\1+/g, '$1');
  const isSteady = (parts: number[], modulus: number, steps: number[]): boolean => {
    const [first = 0, ...others] = parts
      .slice(1)
      .map((part, index) => (modulus + part - (parts[index] ?? 0)) % modulus);
    return steps.some((step) => step === first || step === modulus - first) && others.every((other) => other === first);
  };
  const isOfDigits = (digits: string) => isSteady([...digits].map(Number), 10, [0, 1, 2, 3]);
  const pairs = pin.length >= 6 && pin.length % 2 === 0 ? (pin.match(/../g) ?? []).map(Number) : [];
  return isOfDigits(pin) || (collapsed.length >= 3 && isOfDigits(collapsed)) || isSteady(pairs, 100, [1, 10, 11]);
}

/** Only straight lines of the keypad, or a part of its outer ring. */
function isDrawn(pin: string): boolean {
  const isOfLines = (rest: string): boolean =>
    rest === '' || lines.some((line) => rest.startsWith(line) && isOfLines(rest.slice(line.length)));
  return isOfLines(pin) || ring.includes(pin) || [...ring].reverse().join('').includes(pin);
}

/** A year from 1900 to 2099, a day and month, or both, in the orders that people write. */
function isDate(pin: string): boolean {
  const year = '(?:19|20)\\d\\d';
  const month = '(?:0[1-9]|1[0-2])';
  const day = '(?:0[1-9]|[12]\\d|3[01])';
  const short = '\\d\\d';
  const orders = [year, day + month, month + day];
  for (const any of [short, year])
    orders.push(day + month + any, month + day + any, any + month + day, any + day + month);
  orders.push(month + year, year + month);
  return orders.some((order) => new RegExp(`^${order}$`).test(pin));
}
