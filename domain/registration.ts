/**
 * Registration: words and rules.
 *
 * Terminology
 * - registration (or flow): one attempt of one person to get an account; from its first order on one durable workflow, named by a
 *   random id.
 * - policy: the steps a registration has, in the order they are shown.
 * - step: one proof or gift of the person; `blocked` until what it needs is done.
 * - parked: standing still because an outside system is away; the flow goes on by itself.
 * - status: what the workflow publishes after every change; the api serves reads from it.
 *
 * Instants are milliseconds since the Unix epoch.
 */
import { type Channel, channels, nextSendAt, type Send, type VerificationRules } from './verification.ts';

/** Steps that exist, in the order of the default policy. */
export const stepNames = ['directory', 'captcha', 'code', 'credentials'] as const;
/** `approval` is in no policy: it joins when the identity turns out to have an account that is locked by a PIN. */
export type StepName = (typeof stepNames)[number] | 'approval';

/** Steps of the contract that this version refuses in a policy. */
const stepsNotAvailable = ['device', 'signal'];

export type StepStatus = 'open' | 'blocked' | 'waiting' | 'done' | 'skipped';

export interface Step {
  name: StepName;
  status: StepStatus;
  /** Why it is blocked or waits, as a kebab-case state of affairs. */
  reason?: string;
}

export type RegistrationStateName = 'pending' | 'waiting' | 'completed' | 'rejected' | 'expired' | 'cancelled';

/** Outside systems a registration may stand still for. */
export type WaitingFor = 'directory' | 'database' | Channel;

/** Who a registration is for, as far as it is known. Addresses here may receive codes. */
export interface Identity {
  username?: string;
  fullName?: string;
  email?: string;
  /** E.164. */
  phone?: string;
  /** ISO 3166 country of the number. */
  country?: string;
  /** Digits of the number's country code. */
  callingCode?: string;
  /** Immutable id of the person's entry in the directory. */
  directoryId?: string;
  groups?: string[];
  /** Why its number was left out, as a kebab-case state of affairs. */
  phoneRefused?: string;
  /** What acts on it are counted under. */
  limitKeys?: LimitKeys;
}

/** What the acts on an identity are counted under, keyed hashes, published in the status of its registration in place of clear text. */
export interface LimitKeys {
  number?: string;
  prefix?: string;
  mailbox?: string;
  /** As `countryOf`. */
  country?: string;
}

/** The bounds of a registration, fixed at its start by the configuration of that day. */
export interface RegistrationRules extends VerificationRules {
  /** Life in seconds while nothing outside is waited for. */
  ttlSeconds: number;
  /** Longest stay for an outside system, in seconds. */
  waitMaxSeconds: number;
}

/** What the workflow publishes after every change. It holds no clear number, address or name. */
export interface RegistrationStatus {
  /** Grows with every change, so that an older status never overwrites a newer one; 0 until the workflow has published one. */
  version: number;
  state: RegistrationStateName;
  steps: Step[];
  expiresAt: number;
  waitingFor?: WaitingFor;
  /** Why it was rejected. */
  reason?: string;
  phone?: string;
  email?: string;
  sends: Send[];
  /** Next instant a code can be asked for, by channel; absent or null when waiting does not help. */
  nextSendAt: Partial<Record<Channel, number | null>>;
  /** What acts on its identity are counted under; never shown. */
  limitKeys?: LimitKeys;
  /** The account whose PIN the step `approval` asks for; never shown. */
  lockedBy?: string;
  userId?: string;
}

/** Everything a status is derived from. */
export interface RegistrationState {
  policy: readonly StepName[];
  identity: Identity;
  done: ReadonlySet<StepName>;
  sends: readonly Send[];
  rules: RegistrationRules;
  startedAt: number;
  expiresAt: number;
  version: number;
  /** Set once it is over. */
  outcome?: Exclude<RegistrationStateName, 'pending' | 'waiting'>;
  reason?: string;
  waitingFor?: WaitingFor;
  /** The account that has the identity already, locked by a PIN. */
  lockedBy?: string;
  userId?: string;
}

/**
 * Reads a policy as the configuration writes it.
 *
 * @throws {RangeError} a step that does not exist, is not available yet, is listed twice or lacks what it needs
 */
export function readPolicy(names: readonly string[]): StepName[] {
  const policy: StepName[] = [];
  for (const [index, name] of names.entries()) {
    const step = stepNames.find((known) => known === name);
    if (name === 'approval') throw new RangeError('Step approval joins by itself and is not listed');
    if (stepsNotAvailable.includes(name)) throw new RangeError(`Step ${name} is not available yet`);
    // not quoted: a value of the configuration is never printed
    if (step === undefined) throw new RangeError(`Step ${index + 1} does not exist; steps are ${stepNames.join(', ')}`);
    if (policy.includes(step)) throw new RangeError(`Step ${name} is listed twice`);
    policy.push(step);
  }
  if (!policy.includes('code')) throw new RangeError('A policy needs the step code: without it nothing is proven');
  return policy;
}

/** Derives the published status from the facts. */
export function statusOf(state: RegistrationState): RegistrationStatus {
  const isWaiting = state.outcome === undefined && state.waitingFor !== undefined;
  const { phone, email, callingCode, limitKeys } = state.identity;
  return {
    version: state.version,
    state: state.outcome ?? (isWaiting ? 'waiting' : 'pending'),
    steps: state.policy.map((name) => stepOf(name, state)),
    expiresAt: state.expiresAt,
    ...(isWaiting && { waitingFor: state.waitingFor }),
    ...(state.reason !== undefined && { reason: state.reason }),
    ...(phone !== undefined && { phone: maskPhone(phone, callingCode) }),
    ...(email !== undefined && { email: maskEmail(email) }),
    sends: [...state.sends],
    nextSendAt: nextSends(state),
    ...(limitKeys !== undefined && { limitKeys }),
    ...(state.lockedBy !== undefined && { lockedBy: state.lockedBy }),
    ...(state.outcome === 'completed' && state.userId !== undefined && { userId: state.userId }),
  };
}

/** Where a registration stands before its first order, from what its workflow is started with. */
export function initialState({
  policy,
  rules,
  identity,
  startedAt,
}: Pick<RegistrationState, 'policy' | 'rules' | 'identity' | 'startedAt'>): RegistrationState {
  const expiresAt = startedAt + rules.ttlSeconds * 1000;
  return { policy, rules, identity, startedAt, expiresAt, done: new Set(), sends: [], version: 0 };
}

/**
 * A status as it stands at an instant. Until its workflow has published one, nobody but the clock says that its time is over.
 */
export function statusAt(status: RegistrationStatus, now: number): RegistrationStatus {
  if (status.version > 0 || now < status.expiresAt) return status;
  return { ...status, state: 'expired', nextSendAt: {} };
}

/** The steps that must be done before a step may be, and are not. */
export function openNeeds(name: StepName, state: Pick<RegistrationState, 'policy' | 'done'>): StepName[] {
  if (name !== 'code') return [];
  return (['directory', 'captcha'] as const).filter((need) => state.policy.includes(need) && !state.done.has(need));
}

/** Channels an identity can be reached by. */
export function channelsOf(identity: Identity, rules: Pick<VerificationRules, 'voiceWaitsSeconds'>): Channel[] {
  const possible = channels.filter((channel) => channel !== 'voice' || rules.voiceWaitsSeconds !== undefined);
  return possible.filter((channel) => addressOf(identity, channel) !== undefined);
}

/** Where a channel reaches an identity. */
export function addressOf(identity: Identity, channel: Channel): string | undefined {
  return channel === 'email' ? identity.email : identity.phone;
}

/** The country of an identity's number: ISO 3166, or the calling code where several countries share its range. */
export function countryOf({ country, callingCode }: Identity): string | undefined {
  return country ?? (callingCode === undefined ? undefined : `+${callingCode}`);
}

/** An identity without the addresses of other channels. */
export function withOnlyAddressOf(
  { phone, country, callingCode, email, ...rest }: Identity,
  channel: Channel,
): Identity {
  if (channel === 'email') return { ...rest, ...(email !== undefined && { email }) };
  return {
    ...rest,
    ...(phone !== undefined && { phone }),
    ...(country !== undefined && { country }),
    ...(callingCode !== undefined && { callingCode }),
  };
}

/** The first step that is not done: where a person stands. */
export function currentStep(state: Pick<RegistrationState, 'policy' | 'done'>): StepName | 'finish' {
  return state.policy.find((name) => !state.done.has(name)) ?? 'finish';
}

/** The id of the workflow of a registration: a noun and a random id, never a number or a name. */
export function registrationWorkflowId(registrationId: string): string {
  return `registration:${registrationId}`;
}

/** `+1•••••0100`: the country code, or its first digit when it is not known, and the last four digits stay. */
export function maskPhone(phone: string, callingCode = phone.slice(1, 2)): string {
  return `+${callingCode}•••••${phone.slice(-4)}`;
}

/** `a•••@example.com`: the first letter and the domain stay. */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf('@');
  return `${[...email][0]}•••${email.slice(at)}`;
}

/** The form in which addresses are compared: local part NFC lower case, domain as given in lower case (ASCII by the edge). */
export function emailKey(email: string): string {
  return email.normalize('NFC').toLowerCase();
}

const notMixed = ['Latin', 'Cyrillic', 'Greek'].map((script) => new RegExp(`\\p{Script=${script}}`, 'u'));

/**
 * Tells whether a text may be a user name: letters, digits, marks and visible ASCII that have no other form of the same
 * meaning (RFC 8264 section 9.17), of one of the scripts whose letters look alike (UTS #39 section 5).
 */
export function isUsername(text: string): boolean {
  const name = text.normalize('NFC');
  return (
    /^[\p{L}\p{M}\p{Nd}\x21-\x7e]+$/u.test(name) &&
    !/^\p{M}/u.test(name) &&
    [...text].every((character) => character.normalize('NFKC') === character) &&
    notMixed.filter((script) => script.test(name)).length <= 1
  );
}

/** The form in which user names are compared. */
export function usernameKey(username: string): string {
  return username.normalize('NFC').toLowerCase();
}

function stepOf(name: StepName, state: RegistrationState): Step {
  if (state.done.has(name)) return { name, status: 'done' };
  if (name === 'approval') return { name, status: 'open', reason: 'registration-locked' };
  const need = openNeeds(name, state)[0];
  if (need !== undefined) return { name, status: 'blocked', reason: `${need}-open` };
  if (state.outcome === undefined && waitsOf(name).some((system) => system === state.waitingFor)) {
    return { name, status: 'waiting', reason: `${state.waitingFor}-unavailable` };
  }
  const refused = name === 'code' ? refusedChannels(state.sends) : [];
  if (refused.length > 0) return { name, status: 'open', reason: `${refused.at(-1)}-refused` };
  const { phone, phoneRefused } = state.identity;
  if (name === 'code' && phone === undefined && phoneRefused) return { name, status: 'open', reason: phoneRefused };
  return { name, status: 'open' };
}

/** Channels whose provider refused for good. */
export function refusedChannels(sends: readonly Send[]): Channel[] {
  return channels.filter((channel) => sends.some((send) => send.channel === channel && send.state === 'refused'));
}

/**
 * Seconds between two tries of a system that is away: doubled from one, at first up to a few, later up to a twentieth of
 * the time it has been away and at most five minutes. A short outage is over soon after it ends, and one of a week adds
 * some 25,000 events to the history of a workflow, half of what Temporal allows.
 */
export function retryPauseSeconds(system: WaitingFor, tries: number, awaySeconds: number): number {
  const few = system === 'directory' || system === 'database' ? 5 : 15;
  return Math.min(2 ** Math.min(tries, 10), Math.max(few, Math.min(awaySeconds / 20, 300)));
}

function waitsOf(name: StepName): readonly WaitingFor[] {
  if (name === 'directory') return ['directory'];
  return name === 'code' ? channels : [];
}

function nextSends(state: RegistrationState): RegistrationStatus['nextSendAt'] {
  const closed = state.outcome !== undefined || state.done.has('code') || openNeeds('code', state).length > 0;
  if (closed) return {};
  return Object.fromEntries(
    channelsOf(state.identity, state.rules).map((channel) => [
      channel,
      nextSendAt(state.sends, channel, state.rules, state.startedAt),
    ]),
  );
}
