/**
 * The strength of passwords and PINs. Passwords: zxcvbn (NIST SP 800-63B section 5.1.1.2). PINs: `domain/pins.ts`.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { Failure } from '../domain/failures.ts';
import { isOwnWord } from '../domain/passwords.ts';
import { isWeakPin } from '../domain/pins.ts';
import type { ApiDeps } from './deps.ts';

/** The scale of zxcvbn is 0 to 4; 3 is "safely unguessable": at least 10^8 guesses. */
const scoreMin = 3;

/**
 * Maximum number of substitutions of digits and signs by letters. The default of the library, 100, blocks the event
 * loop for 60 to 600 ms; 10 blocks it for 12 to 80 ms and accepts 4 more of 515 weak passwords with substitutions.
 */
const l33tMaxSubstitutions = 10;

/**
 * What is judged of a password, in characters: the time of zxcvbn grows with the square of the length, to a second for
 * 128 characters with substitutions. A password whose beginning is safely unguessable is so as a whole.
 */
const judgedMax = 32;
/** After an estimate the next one waits this many times as long, so that estimates leave most of the time to others. */
const restFactor = 3;
/** Estimates that wait for their turn; more are refused. */
const waitingMax = 100;

/** The dependencies of the check of a password. */
export type StrengthDeps = Pick<ApiDeps, 'breachedPasswords' | 'events'>;

let estimator: Promise<ZxcvbnFactory> | undefined;

/** Created at the first password, because loading the dictionaries takes a third of a second. */
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

let turn: Promise<void> = Promise.resolve();
let waiting = 0;

/**
 * Estimates one password at a time. An estimate blocks the event loop, and a process of this role has no threads.
 *
 * @throws {Failure} unavailable: too many passwords wait
 */
async function estimate(password: string, known: string[]): Promise<ReturnType<ZxcvbnFactory['check']>> {
  if (waiting >= waitingMax) throw new Failure('unavailable', { reason: 'too-many-estimates' });
  estimator ??= createEstimator();
  const before = turn;
  const { promise, resolve: next } = Promise.withResolvers<void>();
  turn = promise;
  waiting += 1;
  try {
    await before;
    const zxcvbn = await estimator;
    const beganAt = performance.now();
    const judged = zxcvbn.check([...password].slice(0, judgedMax).join(''), known);
    wait((performance.now() - beganAt) * restFactor).finally(next);
    return judged;
  } catch (err) {
    next();
    throw err;
  } finally {
    waiting -= 1;
  }
}

/**
 * Refuses a password that is easy to guess, also by somebody who knows the user, and one that is known from a breach,
 * if that check is configured. While the list of breached passwords is unavailable, this check is skipped.
 *
 * @param known words of the user: names, address, number
 * @throws {Failure} password-weak, unavailable
 */
export async function requireStrongPassword(
  { breachedPasswords, events }: StrengthDeps,
  password: string,
  known: string[],
): Promise<void> {
  if (isOwnWord(password, known)) throw ownWordFailure();
  const { score, feedback } = await estimate(password, known);
  if (score < scoreMin) throw weak(feedback.warning || 'is too easy to guess; use more and less common words');
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
