/** How hard a password or PIN is to guess. Passwords: zxcvbn (NIST SP 800-63B section 5.1.1.2). PINs: no runs, no repeats. */
import type { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { Failure } from '../domain/failures.ts';
import type { ApiDeps } from './deps.ts';

/** zxcvbn's own scale is 0 to 4; 3 is "safely unguessable": 10^8 guesses and more. */
const scoreMin = 3;

/**
 * How many ways of reading digits and signs as letters are tried. The library's own 100 hold up every request of a process
 * for 60 to 600 ms; with 10 it is 12 to 80, and of 515 weak passwords in such disguise 4 more get through.
 */
const l33tMaxSubstitutions = 10;

let estimator: Promise<ZxcvbnFactory> | undefined;

/** Made at the first password: its dictionaries take a third of a second to read, which a start need not wait for. */
async function createEstimator(): Promise<ZxcvbnFactory> {
  const [{ ZxcvbnFactory }, common, english] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
    import('@zxcvbn-ts/language-en'),
  ]);
  return new ZxcvbnFactory({
    dictionary: { ...common.dictionary, ...english.dictionary },
    graphs: common.adjacencyGraphs,
    translations: english.translations,
    l33tMaxSubstitutions,
  });
}

/**
 * Refuses a password that is easy to guess, also for somebody who knows the person, and one that is known from a breach,
 * where that is configured. While the list of breached passwords is away, passwords are not asked about.
 *
 * @param known the person's own words: name, address
 * @throws {Failure} password-weak
 */
export async function requireStrongPassword(
  { breachedPasswords, events }: Pick<ApiDeps, 'breachedPasswords' | 'events'>,
  password: string,
  known: string[],
): Promise<void> {
  estimator ??= createEstimator();
  const { score, feedback } = (await estimator).check(password, known);
  if (score < scoreMin) throw weak(feedback.warning || 'is too easy to guess; use more and less common words');
  const isBreached = await breachedPasswords?.has(password).catch((err: unknown) => {
    events.dependencyAway('breached-passwords', (err as Error).message);
    return false;
  });
  if (isBreached) throw weak('is known from a breach of another service; use one that you use nowhere else');
}

function weak(message: string): Failure {
  return new Failure('password-weak', { details: [{ path: 'password', message }] });
}

/**
 * Refuses a PIN of one digit, and one that counts up or down.
 *
 * @throws {Failure} password-weak
 */
export function requireStrongPin(pin: string): void {
  const differences = [...pin].slice(1).map((digit, index) => (10 + Number(digit) - Number(pin[index])) % 10);
  const isRun = [0, 1, 9].some((difference) => differences.every((other) => other === difference));
  if (isRun) {
    throw new Failure('password-weak', {
      details: [{ path: 'pin', message: 'must not repeat one digit or count up or down' }],
    });
  }
}
