/**
 * Registration: model and rules.
 *
 * Terminology
 * - registration: one attempt to create an account. From its first step on it is a workflow with a random id.
 * - policy: the steps of a registration, in display order.
 * - step: something the user proves or sets; `blocked` until its prerequisites are done.
 * - waiting: a dependency is unavailable; the registration continues automatically.
 * - status: published by the workflow after every change; the api serves reads from it.
 *
 * Instants are milliseconds since the Unix epoch.
 */
import { addressOf, type ContactIdentity, type LimitKeys, maskEmail, maskPhone, type Pseudonyms } from './identity.ts';
import { type Channel, channels, nextSendAt, type Send, type VerificationRules } from './verification.ts';

/** Steps that a policy can contain; the default policy has all but `signal`. */
const stepNames = ['directory', 'captcha', 'code', 'credentials', 'device', 'signal'] as const;
/** The name of a step. `approval` is added when the identity already has an account with a registration lock. */
export type StepName = (typeof stepNames)[number] | 'approval';

/** The status of a step. */
type StepStatus = 'open' | 'blocked' | 'waiting' | 'done' | 'skipped';

/** A step of a registration. */
interface Step {
  name: StepName;
  status: StepStatus;
  /** Kebab-case reason why the step is blocked, waits, or cannot use a channel. */
  reason?: string;
}

/** States of a registration; the first two are those of a running one. */
export const registrationStates = ['pending', 'waiting', 'completed', 'rejected', 'expired', 'cancelled'] as const;
/** State of a registration. */
export type RegistrationStateName = (typeof registrationStates)[number];
/** States of a registration that is over. */
export type RegistrationOutcome = Exclude<RegistrationStateName, 'pending' | 'waiting'>;

/** Steps that operators filter by: those of a policy, and those that join later. */
export const registrationSteps = [...stepNames, 'approval', 'finish'] as const;

/** Dependencies that a registration may wait for. */
export const awaitedSystems = ['directory', 'database', 'signal', ...channels] as const;

/** Dependencies that a workflow can wait for. */
export type AwaitedSystem = (typeof awaitedSystems)[number] | 'push';

/** What a registration can wait for: a dependency, or a device of the existing account that was asked to approve. */
type WaitingFor = AwaitedSystem | 'approval';

/**
 * The registration lock of an existing account: whoever has its number or address needs its PIN, or an approval by one
 * of its devices, until nobody has used the account for a while (as Signal's registration lock).
 */
export interface RegistrationLock {
  hasPin: boolean;
  hasDevices: boolean;
  /** When the lock ends without further use of the account; absent if it never does. */
  endsAt?: number;
}

/** The account that already has an identity. */
export interface ExistingAccount {
  userId: string;
  /** Absent when the lock has ended, so that the proven number or address is enough. */
  lock?: RegistrationLock;
}

/** How a step `approval` was done. */
export type ApprovalProof = 'pin' | 'device';

/**
 * Why a device that was described does not fit. `identity-differs`: after an approval by a device, it must have the
 * identity key of the account. `device-limit`: the account has as many devices as it may have. `device-exists`: another
 * device of the account has its keys. `lost`: its description is not stored any more.
 */
export type DeviceRefusal = 'identity-differs' | 'device-limit' | 'device-exists' | 'lost';

/** A question to the devices of the existing account. */
export interface AskedApproval {
  linkId: string;
  outcome: 'asked' | 'approved' | 'denied' | 'expired';
}

/** The limits of a registration, fixed from the configuration when it starts. */
export interface RegistrationRules extends VerificationRules {
  /** Lifetime in seconds, not counting time spent waiting for a dependency. */
  ttlSeconds: number;
  /** Longest wait for a dependency, in seconds. */
  waitMaxSeconds: number;
}

/**
 * Steps whose proof the api has stored and the workflow has not recorded yet: it learns them with the next update that it
 * needs anyway. `at` is when the proof was given, `send` the number of the code that was typed.
 */
export interface CarriedProofs {
  captcha?: { at: number };
  code?: { at: number; send?: number };
}

/** The status of a registration. Number, address and name are masked or absent. */
export interface RegistrationStatus {
  /** Increases with every change, so that an older status never overwrites a newer one. 0 until the workflow has begun. */
  version: number;
  state: RegistrationStateName;
  steps: Step[];
  expiresAt: number;
  waitingFor?: WaitingFor;
  /** Why it ended without an account. */
  reason?: string;
  phone?: string;
  email?: string;
  sends: Send[];
  /** When a code can next be requested, by channel; absent or null when waiting does not help. */
  nextSendAt: Partial<Record<Channel, number | null>>;
  /** What changes once the captcha is solved, which the workflow may learn later; not shown to callers. */
  afterCaptcha?: Pick<RegistrationStatus, 'steps' | 'nextSendAt'>;
  /** Keys that limits count the identity by; not shown to callers. */
  limitKeys?: LimitKeys;
  /** The pseudonyms of the identity in the audit log; not shown to callers. */
  pseudonyms?: Pseudonyms;
  /** The account that already has the identity; not shown to callers. */
  existing?: ExistingAccount;
  /** How the approval was given. */
  approvedBy?: ApprovalProof;
  userId?: string;
}

/** The state that a status is derived from. */
export interface RegistrationState {
  policy: readonly StepName[];
  identity: ContactIdentity;
  done: ReadonlySet<StepName>;
  sends: readonly Send[];
  rules: RegistrationRules;
  startedAt: number;
  expiresAt: number;
  version: number;
  /** Set once it is over. */
  outcome?: RegistrationOutcome;
  reason?: string;
  /** Its cancellation was requested. Until its compensations are done, it has no outcome. */
  isCancelled?: boolean;
  waitingFor?: AwaitedSystem;
  /** The account that already has the identity. */
  existing?: ExistingAccount;
  approvedBy?: ApprovalProof;
  /** The newest question to its devices. */
  asked?: AskedApproval;
  /** Why another device must be described. */
  refusedDevice?: DeviceRefusal;
  /** Why credentials that were set before must be set again. */
  refusedCredentials?: 'own-word';
  userId?: string;
  /** The channel whose code was typed first. */
  verifiedBy?: Channel;
  /** Kebab-case reason why the Signal server refused the last attempt. */
  signalRefused?: string;
}

/**
 * Parses a policy from the configuration.
 *
 * @throws {RangeError} on a step that does not exist or is listed twice, or when `code` is missing
 */
export function readPolicy(names: readonly string[]): StepName[] {
  const policy: StepName[] = [];
  for (const [index, name] of names.entries()) {
    const step = stepNames.find((known) => known === name);
    if (name === 'approval') throw new RangeError('Step approval is added automatically and must not be listed');
    // the value is not quoted: configuration values are never printed
    if (step === undefined) throw new RangeError(`Step ${index + 1} does not exist; steps are ${stepNames.join(', ')}`);
    if (policy.includes(step)) throw new RangeError(`Step ${name} is listed twice`);
    policy.push(step);
  }
  if (!policy.includes('code'))
    throw new RangeError('A policy needs the step code, which proves the number or address');
  return policy;
}

/** Derives the status from the state. */
export function statusOf(state: RegistrationState): RegistrationStatus {
  const waitingFor = awaitedOf(state);
  const { phone, email, callingCode } = state.identity;
  const isCaptchaOpen = state.outcome === undefined && state.policy.includes('captcha') && !state.done.has('captcha');
  return {
    version: state.version,
    state: state.outcome ?? (waitingFor === undefined ? 'pending' : 'waiting'),
    ...stepsOf(state),
    ...(isCaptchaOpen && { afterCaptcha: stepsOf({ ...state, done: new Set(state.done).add('captcha') }) }),
    expiresAt: state.expiresAt,
    ...(waitingFor !== undefined && { waitingFor }),
    ...(state.reason !== undefined && { reason: state.reason }),
    ...(phone !== undefined && { phone: maskPhone(phone, callingCode) }),
    ...(email !== undefined && { email: maskEmail(email) }),
    sends: [...state.sends],
    ...hashesOf(state.identity),
    ...(state.existing !== undefined && { existing: state.existing }),
    ...(state.approvedBy !== undefined && { approvedBy: state.approvedBy }),
    ...(state.outcome === 'completed' && state.userId !== undefined && { userId: state.userId }),
  };
}

/** The hashes of an identity by which limits and the audit log know it. */
function hashesOf({ limitKeys, pseudonyms }: ContactIdentity): Pick<RegistrationStatus, 'limitKeys' | 'pseudonyms'> {
  return { ...(limitKeys !== undefined && { limitKeys }), ...(pseudonyms !== undefined && { pseudonyms }) };
}

/** Returns a status with the proofs that the workflow has not recorded yet. They change nothing after the end. */
export function withProofs(status: RegistrationStatus, { captcha, code }: CarriedProofs): RegistrationStatus {
  if (!isRunning(status)) return status;
  const { afterCaptcha, ...rest } = status;
  const solved = captcha !== undefined && afterCaptcha !== undefined ? { ...rest, ...afterCaptcha } : status;
  if (code === undefined) return solved;
  const steps = solved.steps.map((step): Step => (step.name === 'code' ? { name: 'code', status: 'done' } : step));
  return { ...solved, steps, nextSendAt: {} };
}

/**
 * Returns whether a proof can wait for the next update of the workflow: it runs already, an update must follow before it
 * can go on, and nothing that it does now depends on the proof.
 */
export function canBeCarried(name: keyof CarriedProofs, status: RegistrationStatus): boolean {
  const { version, state, steps, sends } = status;
  // a Signal-Server asks for the number, which the workflow stores, and a send that is unwanted now has to end
  const isNeededNow =
    name === 'code' && (steps.some(isStep('signal')) || sends.some((send) => send.state === 'sending'));
  if (version === 0 || state !== 'pending' || isNeededNow) return false;
  const following: readonly StepName[] = name === 'captcha' ? ['directory', 'code', 'credentials'] : ['credentials'];
  return steps.some((step) => step.status !== 'done' && following.includes(step.name));
}

function isStep(wanted: StepName): (step: Step) => boolean {
  return ({ name }) => name === wanted;
}

/** Returns whether a registration can go on. */
export function isRunning({ state }: Pick<RegistrationStatus, 'state'>): boolean {
  return state === 'pending' || state === 'waiting';
}

function stepsOf(state: RegistrationState): Pick<RegistrationStatus, 'steps' | 'nextSendAt'> {
  return { steps: state.policy.map((name) => stepOf(name, state)), nextSendAt: nextSends(state) };
}

/** Returns what a running registration waits for. */
function awaitedOf(state: RegistrationState): WaitingFor | undefined {
  if (state.outcome !== undefined) return undefined;
  return state.waitingFor ?? (isAsking(state) ? 'approval' : undefined);
}

/** Returns the state of a registration before its first step. */
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
 * Returns a status as of an instant. Until the workflow has published a status, expiry is decided by the clock alone.
 */
export function statusAt(status: RegistrationStatus, now: number): RegistrationStatus {
  if (status.version > 0 || now < status.expiresAt) return status;
  return { ...status, state: 'expired', nextSendAt: {} };
}

/** Returns the prerequisites of a step that are not done. */
export function openNeeds(name: StepName, state: Pick<RegistrationState, 'policy' | 'done'>): StepName[] {
  if (name === 'signal') return state.done.has('code') ? [] : ['code'];
  if (name !== 'code') return [];
  return (['directory', 'captcha'] as const).filter((need) => state.policy.includes(need) && !state.done.has(need));
}

/** Returns the channels that can reach an identity. */
export function channelsOf(identity: ContactIdentity, rules: Pick<VerificationRules, 'voiceWaitsSeconds'>): Channel[] {
  const possible = channels.filter((channel) => channel !== 'voice' || rules.voiceWaitsSeconds !== undefined);
  return possible.filter((channel) => addressOf(identity, channel) !== undefined);
}

/** Returns the first step that is not done. */
export function currentStep(state: Pick<RegistrationState, 'policy' | 'done'>): StepName | 'finish' {
  return state.policy.find((name) => !state.done.has(name)) ?? 'finish';
}

/** Returns whether a registration has ended or its cancellation was requested. */
export function isOver({ outcome, isCancelled }: Pick<RegistrationState, 'outcome' | 'isCancelled'>): boolean {
  return outcome !== undefined || isCancelled === true;
}

function stepOf(name: StepName, state: RegistrationState): Step {
  if (state.done.has(name)) return { name, status: 'done' };
  if (name === 'approval') return approvalOf(state);
  const need = openNeeds(name, state)[0];
  if (need !== undefined) return { name, status: 'blocked', reason: `${need}-open` };
  if (state.outcome === undefined && waitsOf(name).some((system) => system === state.waitingFor)) {
    return { name, status: 'waiting', reason: `${state.waitingFor}-unavailable` };
  }
  if (name === 'signal') return signalStepOf(state);
  const refused = name === 'code' ? refusedChannels(state.sends) : [];
  if (refused.length > 0) return { name, status: 'open', reason: `${refused.at(-1)}-refused` };
  const reason = reasonOf(name, state);
  return { name, status: 'open', ...(reason !== undefined && { reason }) };
}

/** Returns why an open step is not done, if there is more to say than that. */
function reasonOf(name: StepName, state: RegistrationState): string | undefined {
  if (name === 'credentials') return state.refusedCredentials;
  if (name === 'device') return state.refusedDevice;
  return name === 'code' ? missingOf(state) : undefined;
}

/** Returns whether the existing account has a registration lock. */
export function isApprovalNeeded({ existing }: Pick<RegistrationState, 'existing'>): boolean {
  return existing?.lock !== undefined;
}

function approvalOf(state: RegistrationState): Step {
  if (isAsking(state)) return { name: 'approval', status: 'waiting', reason: 'devices-asked' };
  const { outcome } = state.asked ?? {};
  const isAnswered = outcome === 'denied' || outcome === 'expired';
  return { name: 'approval', status: 'open', reason: isAnswered ? `approval-${outcome}` : 'registration-locked' };
}

/** Returns whether the devices of the existing account were asked and have not answered. */
function isAsking({ asked, done }: Pick<RegistrationState, 'asked' | 'done'>): boolean {
  return asked?.outcome === 'asked' && !done.has('approval');
}

/** A Signal server registers a number, so a code to an e-mail address does not open the step. */
function signalStepOf(state: RegistrationState): Step {
  const name = 'signal';
  if (!isNumberVerified(state)) return { name, status: 'blocked', reason: 'number-not-verified' };
  return { name, status: 'open', ...(state.signalRefused !== undefined && { reason: state.signalRefused }) };
}

/** Returns whether a code to the number, by SMS or call, was typed. */
export function isNumberVerified({ verifiedBy }: Pick<RegistrationState, 'verifiedBy'>): boolean {
  return verifiedBy === 'sms' || verifiedBy === 'voice';
}

/** Returns why the directory entry has no number, or neither a number nor an address. */
function missingOf({ identity, done }: RegistrationState): string | undefined {
  const { phone, phoneRefused, email, emailRefused } = identity;
  if (phone !== undefined) return undefined;
  if (phoneRefused !== undefined || email !== undefined) return phoneRefused;
  return emailRefused ?? (done.has('directory') ? 'no-number-or-address' : undefined);
}

/** Returns the channels whose provider refused permanently. */
export function refusedChannels(sends: readonly Send[]): Channel[] {
  return channels.filter((channel) => sends.some((send) => send.channel === channel && send.state === 'refused'));
}

/**
 * Returns the pause in seconds before the next attempt to call an unavailable dependency. It doubles from 1 s up to 5 s
 * (directory, database, Signal server) or 15 s (channels); in a longer outage, up to a twentieth of its duration and at most five
 * minutes. So a short outage delays a registration only briefly, and a week-long one adds about 25,000 events to the
 * history, half of Temporal's limit.
 */
export function retryPauseSeconds(system: AwaitedSystem, tries: number, awaySeconds: number): number {
  const few = system === 'directory' || system === 'database' || system === 'signal' ? 5 : 15;
  return Math.min(2 ** Math.min(tries, 10), Math.max(few, Math.min(awaySeconds / 20, 300)));
}

function waitsOf(name: StepName): readonly AwaitedSystem[] {
  if (name === 'directory' || name === 'signal') return [name];
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
