/**
 * The strength of passwords and PINs. Passwords: zxcvbn (NIST SP 800-63B section 5.1.1.2). PINs: `domain/pins.ts`.
 */
import { Failure } from '../domain/failures.ts';
import { isOwnWord } from '../domain/passwords.ts';
import { isWeakPin } from '../domain/pins.ts';
import type { ApiDeps } from './deps.ts';

/** The score of zxcvbn that is safely unguessable. */
const scoreMin = 3;

/** The dependencies of the check of a password. */
export type StrengthDeps = Pick<ApiDeps, 'estimator' | 'breachedPasswords' | 'events'>;

/**
 * Refuses a password that is easy to guess, also by somebody who knows the user, and one that is known from a breach,
 * if that check is configured. While the list of breached passwords is unavailable, this check is skipped.
 *
 * @param known words of the user: names, address, number
 * @throws {Failure} password-weak, unavailable
 */
export async function requireStrongPassword(
  { estimator, breachedPasswords, events }: StrengthDeps,
  password: string,
  known: string[],
): Promise<void> {
  if (isOwnWord(password, known)) throw ownWordFailure();
  const { score, warning } = await estimator.estimate({ password, known });
  if (score < scoreMin) throw weak(warning || 'is too easy to guess; use more and less common words');
  const isBreached = await breachedPasswords?.has(password).catch((err: unknown) => {
    events.dependencyAway('breached-passwords', (err as Error).message);
    return false;
  });
  if (isBreached) throw weak('is known from a breach of another service; use one that you use nowhere else');
}

/** Why a password of the own name, address or number is refused. */
const ownWord = 'must not be your own name, address or number';

/** The refusal of a password that is a word of its user. */
export function ownWordFailure(): Failure {
  return weak(ownWord);
}

function weak(message: string): Failure {
  return new Failure('password-weak', { details: [{ path: 'password', message }] });
}

/**
 * Refuses a PIN that many people choose: repeats, runs, dates, patterns of the keypad.
 *
 * @throws {Failure} password-weak
 */
export function requireStrongPin(pin: string): void {
  if (!isWeakPin(pin)) return;
  const message = 'is easy to guess: choose one that is no date, no repeat, no sequence and no pattern of the keypad';
  throw new Failure('password-weak', { details: [{ path: 'pin', message }] });
}
