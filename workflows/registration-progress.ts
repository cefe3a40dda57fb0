/** How far one registration is: its identity, the steps that are done, its lifetime and how it ended. */
import { condition, proxyLocalActivities, uuid4 } from '@temporalio/workflow';
import type { AccountInput } from '../activities/accounts.ts';
import type { PublishInput, RegistrationActivities } from '../activities/registration.ts';
import type { CredentialKind } from '../domain/account.ts';
import { addressOf, type ContactIdentity, countryOf, withOnlyAddressOf } from '../domain/identity.ts';
import {
  type ApprovalProof,
  type AskedApproval,
  type CarriedProofs,
  currentStep,
  type DeviceRefusal,
  type ExistingAccount,
  isApprovalNeeded,
  isOver,
  type RegistrationOutcome,
  type RegistrationState,
  type RegistrationStatus,
  type StepName,
  statusOf,
} from '../domain/registration.ts';
import type { Channel } from '../domain/verification.ts';
import { CodeSending, type Destination } from './code-sending.ts';
import { detailsOf } from './details.ts';
import { Flow } from './flow.ts';
import type { ApprovalAnswer, RegistrationInput, StepAnswer } from './registration-messages.ts';
import { localStep } from './retries.ts';
import { searchAttributesOf } from './search-attributes.ts';

const { publishStatus, takeProofs } = proxyLocalActivities<RegistrationActivities>(localStep);

const carriedSteps = ['captcha', 'code'] as const;
const proofNotes = { captcha: 'captcha solved', code: 'right code typed' };

/** The state of one registration. Every change is visible to operators, and announced changes to the user. */
export class RegistrationProgress {
  readonly input: RegistrationInput;
  readonly flow: Flow;
  readonly codes: CodeSending;
  /** Credentials that were replaced in an existing account. */
  replaced: CredentialKind[] = [];
  /** The account whose creation has begun: unless the registration is completed, nothing of it stays. */
  begun: AccountInput | undefined;
  readonly #newUserId = uuid4();
  readonly #done = new Set<StepName>();
  #identity: ContactIdentity;
  #provenChannel: Channel | undefined;
  #existing: ExistingAccount | undefined;
  #approvedBy: ApprovalProof | undefined;
  #asked: AskedApproval | undefined;
  /** The identity key of the described device. */
  #identityKey: string | undefined;
  #refusedDevice: DeviceRefusal | undefined;
  /** The secret of the credentials that are hashed when the account is created. */
  #credentialsRef: string | undefined;
  #rejectCredentials: (why: 'lost' | 'own-word') => void = () => undefined;
  #refusedCredentials: 'own-word' | undefined;
  #signalRefused: string | undefined;
  #expiresAt: number;
  #version = 0;
  #isSearchDone = false;
  #isCancelled = false;
  #cancelReason: string | undefined;
  #ending: { outcome: RegistrationOutcome; reason?: string } | undefined;
  #isClosed = false;

  constructor(input: RegistrationInput) {
    this.input = input;
    this.#identity = input.identity;
    const { registrationId, startedAt, rules } = input;
    this.#expiresAt = startedAt + rules.ttlSeconds * 1000;
    this.flow = new Flow({
      isOver: () => this.isOver(),
      details: (timeline) =>
        detailsOf({ status: this.status(), startedAt, dependencyCalls: this.flow.calls.all, timeline }),
      searchAttributes: () => searchAttributesOf(this.state(), this.status()),
      publish: () => this.#publish(),
      resumed: () => this.prolong(),
    });
    this.codes = new CodeSending(this.flow, {
      subject: { subject: registrationId, purpose: 'register', ttlSeconds: rules.codeTtlSeconds },
      destinationOf: (channel) => this.destinationOf(channel),
      isUnwanted: () => this.isOver() || this.#done.has('code'),
      refusedState: () => 'refused',
    });
    this.flow.note('started');
  }

  /** The state that rules and status are derived from, with proofs that an update brings along. */
  state(proofs: CarriedProofs = {}): RegistrationState {
    const { policy, rules, startedAt } = this.input;
    const { waitingFor } = this.flow;
    const carried = carriedSteps.filter((name) => proofs[name] !== undefined && policy.includes(name));
    return {
      policy: this.#existing?.lock === undefined ? policy : [...policy, 'approval'],
      rules,
      startedAt,
      identity: this.#identity,
      done: carried.length === 0 ? this.#done : new Set([...this.#done, ...carried]),
      sends: this.codes.sends,
      expiresAt: this.#expiresAt,
      version: this.#version,
      userId: this.userId,
      isCancelled: this.#isCancelled,
      ...(this.#existing !== undefined && { existing: this.#existing }),
      ...(this.#approvedBy !== undefined && { approvedBy: this.#approvedBy }),
      ...(this.#refusedDevice !== undefined && { refusedDevice: this.#refusedDevice }),
      ...(this.#asked !== undefined && { asked: this.#asked }),
      ...(this.#provenChannel !== undefined && { verifiedBy: this.#provenChannel }),
      ...(this.#signalRefused !== undefined && { signalRefused: this.#signalRefused }),
      ...this.#ending,
      ...(this.#refusedCredentials !== undefined && { refusedCredentials: this.#refusedCredentials }),
      ...(waitingFor && { waitingFor }),
    };
  }

  /** The status as the user sees it. */
  status(): RegistrationStatus {
    return statusOf(this.state());
  }

  /** The result of a step, with the current status. */
  answer(outcome: StepAnswer['outcome']): StepAnswer {
    return { outcome, status: this.answeredStatus() };
  }

  /** The current status for the api, which stores it. It has a version of its own, so that it replaces every older one. */
  answeredStatus(): RegistrationStatus {
    this.#version++;
    return this.status();
  }

  /** Records proofs that an update brings along. What was recorded before stays. */
  learn({ captcha, code }: CarriedProofs = {}): void {
    if (captcha !== undefined) this.#record('captcha', captcha.at);
    if (code === undefined) return;
    this.#prove(code.send);
    this.#record('code', code.at);
  }

  #record(name: keyof CarriedProofs, at: number): void {
    if (this.#done.has(name) || !this.input.policy.includes(name)) return;
    this.#done.add(name);
    this.flow.note(proofNotes[name], at);
  }

  /** It has ended or was cancelled. */
  isOver(): boolean {
    return isOver({ isCancelled: this.#isCancelled, ...this.#ending });
  }

  /** Every step is done. */
  isProven(): boolean {
    return currentStep(this.state()) === 'finish';
  }

  /** A step is done. */
  isDone(name: StepName): boolean {
    return this.#done.has(name);
  }

  /** The number whose code was typed; undefined if there is none, or if the code was sent by e-mail. */
  get verifiedNumber(): string | undefined {
    const channel = this.#provenChannel;
    return channel === undefined || channel === 'email' ? undefined : addressOf(this.#identity, channel);
  }

  /** How it ended; undefined before. */
  get outcome(): RegistrationOutcome | undefined {
    return this.#ending?.outcome;
  }

  /** The account that already has the identity; undefined without one. */
  get existing(): ExistingAccount | undefined {
    return this.#existing;
  }

  /** A device was described. */
  get hasDevice(): boolean {
    return this.#done.has('device');
  }

  /** A device of the existing account has approved. */
  get isApprovedByDevice(): boolean {
    return this.#approvedBy === 'device';
  }

  /** The user id of the existing account, or of the new one. */
  get userId(): string {
    return this.#existing?.userId ?? this.#newUserId;
  }

  /**
   * The identity that the account gets. The directory vouches for its whole entry. Of a client's own identity, only the
   * address that got the code is proven.
   */
  get provenIdentity(): ContactIdentity {
    if (this.#provenChannel === undefined || this.input.policy.includes('directory')) return this.#identity;
    return withOnlyAddressOf(this.#identity, this.#provenChannel);
  }

  /** The account to create or to recover. */
  account(): AccountInput {
    const { registrationId, locale } = this.input;
    const credentialsRef = this.#credentialsRef;
    return {
      registrationId,
      userId: this.userId,
      identity: this.provenIdentity,
      createdAt: Date.now(),
      hasDevice: this.hasDevice,
      ...(credentialsRef !== undefined && { credentialsRef }),
      ...(locale !== undefined && { locale }),
    };
  }

  /** Language and app that messages are written for. */
  wishes(): Pick<RegistrationInput, 'locale' | 'client'> {
    const { locale, client } = this.input;
    return { ...(locale !== undefined && { locale }), ...(client !== undefined && { client }) };
  }

  /** The number or address that a channel sends to. */
  destinationOf(channel: Channel): Destination {
    const to = addressOf(this.#identity, channel);
    return channel === 'email' ? { to } : { to, country: countryOf(this.#identity) };
  }

  /**
   * Replaces the identity with the directory entry: addresses that the client stated receive no codes. Credentials that
   * were set before are judged by it. Until then they do not count, so that the registration cannot end in between, and
   * others that are set meanwhile stay.
   */
  async adopt(identity: ContactIdentity, judge: () => Promise<'kept' | 'own-word'>): Promise<'done' | 'somebody-else'> {
    if (this.#done.has('directory')) {
      return identity.directoryId === this.#identity.directoryId ? 'done' : 'somebody-else';
    }
    this.#identity = identity;
    this.#done.add('directory');
    this.flow.note('directory password right');
    if (this.#done.delete('credentials')) {
      if ((await judge()) === 'kept') this.#done.add('credentials');
      else this.#refuseCredentials('own-word');
    }
    await this.#stepFinished();
    return 'done';
  }

  /** Records which send proved its channel. The first proof stays. */
  #prove(sendNumber: number | undefined): void {
    this.#provenChannel ??= this.codes.sends.find(({ number }) => number === sendNumber)?.channel;
  }

  /** Records a proof that completes a step, as `finishStep`. */
  finishProof(proofs: CarriedProofs): Promise<StepAnswer> {
    this.learn(proofs);
    return this.#answerStep();
  }

  /**
   * Records a completed step. After the last step it returns once the registration is closed, waits for a dependency,
   * or requires another step.
   */
  finishStep(name: StepName, note: string): Promise<StepAnswer> {
    if (!this.#done.has(name)) {
      this.#done.add(name);
      this.flow.note(note);
    }
    return this.#answerStep();
  }

  async #answerStep(): Promise<StepAnswer> {
    await this.#stepFinished();
    return this.answer('done');
  }

  /** Only the credentials are open, and nobody has the identity yet: they are hashed when the account is created. */
  areCredentialsLast(): boolean {
    const open = this.input.policy.filter((name) => !this.#done.has(name));
    return this.#existing === undefined && open.length === 1 && open[0] === 'credentials';
  }

  /** Completes the last step with credentials that are not hashed yet. */
  async finishWithCredentials(credentialsRef: string): Promise<StepAnswer> {
    this.#credentialsRef = credentialsRef;
    let outcome: StepAnswer['outcome'] = 'done';
    this.#rejectCredentials = (why) => {
      outcome = why;
    };
    this.#done.add('credentials');
    this.flow.note('credentials given');
    await this.#stepFinished();
    return this.answer(outcome);
  }

  /** Opens the credentials again, whose secret has expired or is a word of the user. */
  reopenCredentials(why: 'lost' | 'own-word'): void {
    this.#done.delete('credentials');
    this.#credentialsRef = undefined;
    this.#rejectCredentials(why);
    this.flow.note(`credentials open again: ${why}`);
  }

  /**
   * Records credentials that are stored. While the code is open, the api must tell the next proof at once: no update would
   * follow that could carry it.
   */
  async finishCredentials(): Promise<StepAnswer> {
    if (!this.#done.has('code')) this.learn(await takeProofs({ registrationId: this.input.registrationId }));
    return this.finishStep('credentials', 'credentials set');
  }

  async #stepFinished(): Promise<void> {
    this.flow.change();
    if (this.isSearchDue()) {
      await condition(() => !this.isSearchDue() || this.flow.calls.unavailable.size > 0);
    }
    if (this.isProven()) {
      await condition(() => this.#isClosed || this.flow.calls.unavailable.size > 0 || !this.isProven());
    }
  }

  #refuseCredentials(reason: 'own-word'): void {
    if (this.#done.has('credentials')) return;
    this.#refusedCredentials = reason;
    this.flow.note('credentials open again: the password is a word of the directory entry');
  }

  /** Only the device and what does not depend on it are open, and nobody has looked for an existing account yet. */
  isSearchDue(): boolean {
    const { policy } = this.input;
    if (this.#isSearchDone || this.#existing !== undefined || this.isOver()) return false;
    const isOpen = (name: StepName) => !this.#done.has(name);
    const canWait = (name: StepName) => name === 'device' || name === 'signal';
    return policy.includes('device') && isOpen('device') && policy.filter(isOpen).every(canWait);
  }

  /** Records that the search for an existing account is over. */
  endSearch(): void {
    this.#isSearchDone = true;
  }

  /**
   * Waits until every step is done, or the search for an existing account is due. Ends the registration when its lifetime
   * is over first.
   */
  async untilStepsDone(): Promise<void> {
    const { startedAt, rules } = this.input;
    const { ttlSeconds, waitMaxSeconds } = rules;
    const waitUntil = startedAt + (ttlSeconds + waitMaxSeconds) * 1000;
    const isAwaited = () => this.isOver() || this.isProven() || this.isSearchDue();
    while (!isAwaited()) {
      const remaining = this.#expiresAt - Date.now();
      const { waitingFor } = this.flow;
      if (remaining > 0) {
        await condition(isAwaited, remaining);
      } else if (waitingFor !== undefined && Date.now() < waitUntil) {
        // time spent waiting for a dependency does not count against the user
        this.#expiresAt = Math.min(Date.now() + ttlSeconds * 1000, waitUntil);
      } else {
        this.end('expired', waitingFor && `${waitingFor}-unavailable`);
      }
    }
  }

  /** Restarts the lifetime: time spent waiting for a dependency does not count. */
  prolong(): void {
    this.#expiresAt = Math.max(this.#expiresAt, Date.now() + this.input.rules.ttlSeconds * 1000);
  }

  /**
   * Adopts the account that already has the identity. With a registration lock it adds the step `approval`, and restarts
   * the lifetime so that the user has all of it for the approval.
   */
  async meet(existing: ExistingAccount): Promise<void> {
    this.#existing = existing;
    if (existing.lock === undefined) return this.flow.note('existing account found; its registration lock has ended');
    this.prolong();
    this.flow.note('existing account found, with a registration lock');
    await this.flow.announce();
  }

  /** Records the device that was described. After an approval by a device it must have the identity key of the account. */
  describeDevice(identityKey: string): Promise<StepAnswer> {
    this.#identityKey = identityKey;
    this.#refusedDevice = undefined;
    return this.finishStep('device', 'device described');
  }

  /** Opens the step of the device again. */
  async reopenDevice(why: DeviceRefusal): Promise<void> {
    this.#done.delete('device');
    this.#refusedDevice = why;
    this.prolong();
    this.flow.note(`device refused: ${why}`);
    await this.flow.announce();
  }

  /** Records that the devices of the existing account are asked. A newer question replaces an older one. */
  ask(linkId: string): StepAnswer {
    if (this.#asked?.linkId !== linkId) {
      this.#asked = { linkId, outcome: 'asked' };
      this.prolong();
      this.flow.note('devices of the account asked for approval');
      this.flow.change();
    }
    return this.answer('done');
  }

  /** Records the answer to the newest question; an answer to an older one has no effect. */
  async answered({ linkId, outcome, identityKey }: ApprovalAnswer): Promise<void> {
    if (this.isOver() || this.#asked?.linkId !== linkId || this.#done.has('approval')) return;
    this.#asked = { linkId, outcome };
    if (outcome !== 'approved') {
      this.flow.note(`approval ${outcome}`);
      return this.flow.announce();
    }
    if (this.#done.has('device') && this.#identityKey !== identityKey) {
      this.#done.delete('device');
      this.#refusedDevice = 'identity-differs';
    }
    await this.approve('device', 'approved by a device of the account');
    if (!this.isProven()) await this.flow.announce();
  }

  /** Records an approval. The first one stays. */
  approve(by: ApprovalProof, note: string): Promise<StepAnswer> {
    if (isApprovalNeeded({ ...(this.#existing && { existing: this.#existing }) })) this.#approvedBy ??= by;
    return this.finishStep('approval', note);
  }

  /** Records why the Signal server refused the last attempt. */
  async refuseSignal(reason: string): Promise<void> {
    this.#signalRefused = reason;
    this.flow.note(`refused by the Signal server: ${reason}`);
    await this.flow.announce();
  }

  /** Requests the end. A later request without a reason keeps the reason of an earlier one. */
  cancel(reason: string | undefined): void {
    this.#isCancelled = true;
    this.#cancelReason = reason ?? this.#cancelReason;
  }

  /** Records how it ended. */
  end(outcome: RegistrationOutcome, reason?: string): void {
    this.#ending = { outcome, ...(reason !== undefined && { reason }) };
    this.flow.note(reason === undefined ? outcome : `${outcome}: ${reason}`);
  }

  /** Records that it ended by its cancellation, unless it had ended before. */
  endIfCancelled(): void {
    if (this.#ending === undefined) this.end('cancelled', this.#cancelReason);
  }

  /** Records that the final status is announced: updates that wait for it return. */
  markClosed(): void {
    this.#isClosed = true;
  }

  /** Resolves when the final status is announced. */
  untilClosed(): Promise<void> {
    return condition(() => this.#isClosed);
  }

  /** What is stored of the registration, with a new version. */
  publication(): PublishInput {
    const { registrationId, tokenHash } = this.input;
    return { registrationId, tokenHash, status: this.answeredStatus() };
  }

  /** Not `async`: an extra microtask could change the order of commands on replay. */
  #publish(): Promise<void> {
    return publishStatus(this.publication());
  }
}
