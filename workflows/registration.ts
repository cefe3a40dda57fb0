/**
 * Registration: one workflow per registration, from its first step to the account.
 *
 * Steps can be completed in any order that their prerequisites allow:
 * 1. `directory`: bind to the directory as the user, read name, number and address.
 * 2. `captcha`: the api has verified it; the workflow records it.
 * 3. `code`: send a code (requires 1 and 2), then record that it was typed; the api has compared it. If the number or
 *    address already belongs to an account, the owner of that account is notified.
 * 4. `credentials`: hash password and PIN and store the hashes.
 * When all steps are done:
 * 5. Claim name, number and address. Compensation: release them.
 * 6. Create the account. Compensation: remove it.
 * 7. Send a welcome notification to its e-mail address, without waiting for it.
 *
 * If the identity already has an account that is locked by a PIN, nothing is claimed and another step is added:
 * 8. `approval`: the PIN of that account, which the api has compared. The user gets that account, with the password or
 *    PIN set in step 4, and all its sessions end.
 *
 * The compensations run in reverse order when the registration is cancelled, is rejected (for example because the
 * identity belongs to another account) or expires. While a dependency is unavailable, the workflow waits: it publishes
 * which dependency it waits for and continues automatically. An operator can retry now, send the code by another
 * channel, or cancel.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
  upsertSearchAttributes,
  uuid4,
} from '@temporalio/workflow';
import type { AccountActivities, AccountInput } from '../activities/accounts.ts';
import type { DirectoryActivities } from '../activities/directory.ts';
import type { OperatorAct, RegistrationActivities } from '../activities/registration.ts';
import type { CredentialKind } from '../domain/account.ts';
import { recipientsOf } from '../domain/notifications.ts';
import {
  addressOf,
  channelsOf,
  countryOf,
  type Identity,
  openNeeds,
  type RegistrationRules,
  type RegistrationState,
  type RegistrationStateName,
  type RegistrationStatus,
  type StepName,
  statusOf,
  withOnlyAddressOf,
} from '../domain/registration.ts';
import { type Channel, type ClientKind, nextSendAt } from '../domain/verification.ts';
import { CodeSending } from './code-sending.ts';
import { Compensations } from './compensations.ts';
import { DependencyCalls } from './dependency-calls.ts';
import { detailsOf } from './details.ts';
import { notifyOwner, sendSecurityAlert } from './notification.ts';
import { refusal } from './refusals.ts';
import { heartbeatTimeout, localStep, retry } from './retries.ts';
import { searchAttributesOf } from './search-attributes.ts';

/** The input of a registration. */
export interface RegistrationInput {
  registrationId: string;
  tokenHash: string;
  policy: StepName[];
  rules: RegistrationRules;
  /** Identity as the client stated it. If the policy has the step `directory`, the directory entry replaces it. */
  identity: Identity;
  /** Milliseconds since the Unix epoch. */
  startedAt: number;
  /** Language of the messages, as returned by `languageFor`. */
  locale?: string;
  client?: ClientKind;
}

/**
 * The result of a step. `waiting`: a dependency is unavailable and the step continues automatically. `lost`: the
 * one-time secret has expired and must be sent again. `somebody-else`: the step was already completed as another user.
 */
export interface StepAnswer {
  outcome: 'done' | 'refused' | 'lost' | 'waiting' | 'somebody-else';
  status: RegistrationStatus;
}

/** An operator's request. The user never sends one, so its presence identifies an operator. */
export interface OperatorRequest {
  /** Operator name for the timeline: up to 64 letters, digits, dots, dashes and underscores. */
  by?: string | undefined;
}

/** A cancellation by an operator, or by the owner of the number or address. The user cancels without a request. */
export interface CancelRequest extends OperatorRequest {
  /** Set when the owner cancels; absent for an operator. */
  reason?: 'stopped-by-owner';
}

/** Returns the status of the registration. */
export const registrationStatus = defineQuery<RegistrationStatus>('registrationStatus');
/** Binds to the directory as the user. A newer update replaces an older one that waits for the directory. */
export const authenticate = defineUpdate<StepAnswer, [{ username: string; passwordRef: string }]>('authenticate');
/** Records that a captcha was verified. */
export const passCaptcha = defineUpdate<StepAnswer>('passCaptcha');
/** Sends a code. Returns before it is sent. */
export const requestCode = defineUpdate<RegistrationStatus, [{ channel: Channel }]>('requestCode');
/** Records that the right code was typed. `send` identifies the proven channel. */
export const confirmCode = defineUpdate<StepAnswer, [{ send?: number | undefined }]>('confirmCode');
/** Hashes and stores a password, a PIN or both. */
export const setCredentials = defineUpdate<StepAnswer, [{ credentialsRef: string }]>('setCredentials');
/** Records that the PIN of the existing account was typed. */
export const approve = defineUpdate<StepAnswer>('approve');
/** Ends the registration and runs its compensations. An operator and an owner send a request, the user sends none. */
export const cancel = defineUpdate<RegistrationStatus, [CancelRequest | undefined]>('cancel');
/** Operator: calls every unavailable dependency again now, without waiting for the next scheduled attempt. */
export const retryStep = defineUpdate<RegistrationStatus, [OperatorRequest]>('retryStep');
/** Operator: gives up a send that waits for its provider or was refused, and sends a new code by another channel. */
export const switchChannel = defineUpdate<RegistrationStatus, [OperatorRequest & { channel: Channel }]>(
  'switchChannel',
);

const directory = proxyActivities<DirectoryActivities>({
  taskQueue: 'directory',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
  summary: 'Bind to the directory as the user',
});
const accounts = proxyActivities<AccountActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
const readable = {
  hash: { summary: 'Hash and store password and PIN' },
  claim: { summary: 'Claim name, number and address' },
  reopen: { summary: 'Recover the existing account' },
  release: { summary: 'Release name, number and address' },
  create: { summary: 'Create the account' },
  remove: { summary: 'Remove the account' },
};
const { publishStatus, operatorAct, forget } = proxyLocalActivities<RegistrationActivities>(localStep);

/** Runs one registration until it has an account or ends without one. Returns the final status. */
export async function registration(input: RegistrationInput): Promise<RegistrationStatus> {
  const execution = new RegistrationExecution(input);
  setHandler(registrationStatus, () => execution.status(), { description: 'Returns the status of the registration' });
  setHandler(authenticate, (request): Promise<StepAnswer> => execution.authenticate(request), {
    validator: (_request) => execution.expectOpen('directory'),
    description: 'Binds to the directory as the user',
  });
  setHandler(passCaptcha, (): Promise<StepAnswer> => execution.finishStep('captcha', 'captcha solved'), {
    validator: () => execution.expectProvable('captcha'),
    description: 'Records that a captcha was verified',
  });
  setHandler(requestCode, ({ channel }): Promise<RegistrationStatus> => execution.requestCode(channel), {
    validator: ({ channel }) => execution.expectSendable(channel),
    description: 'Sends a code by the given channel',
  });
  // updates in histories of an earlier version have no send number
  setHandler(confirmCode, (proof): Promise<StepAnswer> => execution.confirmCode(proof?.send), {
    validator: (_proof) => execution.expectProvable('code'),
    description: 'Records that the right code was typed',
  });
  setHandler(setCredentials, (request): Promise<StepAnswer> => execution.setCredentials(request.credentialsRef), {
    validator: (_request) => execution.expectOpen('credentials'),
    description: 'Hashes and stores a password, a PIN or both',
  });
  setHandler(approve, (): Promise<StepAnswer> => execution.finishStep('approval', 'PIN of the account right'), {
    validator: () => execution.expectApprovable(),
    description: 'Records that the PIN of the existing account was typed',
  });
  setHandler(cancel, (request): Promise<RegistrationStatus> => execution.cancel(request), {
    validator: (request) => execution.expectCancellable(request),
    description: 'Ends the registration and runs its compensations',
  });
  setHandler(retryStep, (request): Promise<RegistrationStatus> => execution.retryStep(request), {
    validator: (request) => execution.expectRetryable(request),
    description: 'Operator: calls every unavailable dependency again now',
  });
  setHandler(switchChannel, (request): Promise<RegistrationStatus> => execution.switchChannel(request), {
    validator: (request) => execution.expectSwitchable(request),
    description: 'Operator: gives up a send that waits or was refused, and sends a code by another channel',
  });
  return execution.run();
}

/** One registration from start to end. Only this class changes its state. */
class RegistrationExecution {
  readonly #input: RegistrationInput;
  readonly #userId = uuid4();
  readonly #done = new Set<StepName>();
  readonly #dependencyCalls: DependencyCalls;
  readonly #codes: CodeSending;
  readonly #undo = new Compensations();
  /** Numbers and addresses whose owners were already looked up. */
  readonly #warned = new Set<string>();
  readonly #timeline: { at: number; text: string }[] = [];
  #identity: Identity;
  #expiresAt: number;
  #version = 0;
  #published: string | undefined;
  #provenChannel: Channel | undefined;
  #directoryTurn = 0;
  /** User id of the existing account that is locked by a PIN. */
  #lockedBy: string | undefined;
  /** Credentials that were replaced in that account. */
  #replaced: CredentialKind[] = [];
  #cancelled = false;
  #cancelReason: string | undefined;
  #operatorActs = 0;
  #outcome: Exclude<RegistrationStateName, 'pending' | 'waiting'> | undefined;
  #reason: string | undefined;
  #isClosed = false;

  constructor(input: RegistrationInput) {
    this.#input = input;
    this.#identity = input.identity;
    this.#expiresAt = input.startedAt + input.rules.ttlSeconds * 1000;
    const execution = {
      isOver: () => this.#isOver(),
      note: (text: string) => this.#note(text),
      show: () => this.#show(),
      announce: () => this.#announce(),
      resumed: () => this.#prolong(),
    };
    this.#dependencyCalls = new DependencyCalls(execution);
    const { registrationId: subject, rules } = input;
    this.#codes = new CodeSending(
      {
        ...execution,
        subject: { subject, purpose: 'register', ttlSeconds: rules.codeTtlSeconds },
        destinationOf: (channel) => this.#destinationOf(channel),
        isUnwanted: () => this.#isOver() || this.#done.has('code'),
        refusedState: () => 'refused',
      },
      this.#dependencyCalls,
    );
    this.#note('started');
  }

  async run(): Promise<RegistrationStatus> {
    try {
      while (!this.#isOver()) {
        await this.#untilStepsDone();
        if (!this.#isOver()) await this.#finish();
      }
    } catch (err) {
      if (!(err instanceof TemporalFailure)) throw err;
      if (isCancellation(err)) this.#end('cancelled', 'operator');
      else this.#end('rejected', 'internal-error');
    }
    await CancellationScope.nonCancellable(() => this.#close());
    return this.status();
  }

  status(): RegistrationStatus {
    return statusOf(this.#state());
  }

  async authenticate(request: { username: string; passwordRef: string }): Promise<StepAnswer> {
    const turn = ++this.#directoryTurn;
    const isUnwanted = () => this.#isOver() || turn !== this.#directoryTurn;
    const { registrationId } = this.#input;
    const attempt: { outcome?: StepAnswer['outcome']; err?: unknown } = {};
    this.#dependencyCalls.unavailable.delete('directory');
    void this.#dependencyCalls
      .callWhenAvailable('directory', () => directory.authenticate({ registrationId, ...request }), isUnwanted)
      .then(async (answer) => {
        attempt.outcome = answer?.outcome === 'ok' ? await this.#adopt(answer.identity) : (answer?.outcome ?? 'lost');
      })
      .catch((err: unknown) => {
        attempt.err = err ?? new Error('unknown');
      });
    await condition(
      () =>
        attempt.outcome !== undefined ||
        attempt.err !== undefined ||
        this.#dependencyCalls.unavailable.has('directory'),
    );
    if (attempt.err !== undefined) throw attempt.err;
    if (attempt.outcome === undefined) return this.#answer('waiting');
    return this.#answer(attempt.outcome);
  }

  async requestCode(channel: Channel): Promise<RegistrationStatus> {
    // before the first await, so that the validator of a concurrent update sees this send and refuses the update
    const send = this.#codes.begin(channel);
    this.#sendSecurityAlert(channel);
    await this.#announce();
    void this.#codes.deliver(send, this.#wishes()).catch((err: unknown) => this.#fail(err));
    return this.status();
  }

  async switchChannel({ channel, by }: OperatorRequest & { channel: Channel }): Promise<RegistrationStatus> {
    await Promise.all([
      this.#leaveEvent('switch-channel', by, `channel switched to ${channel}`),
      this.#sendInstead(channel),
    ]);
    return this.status();
  }

  async retryStep({ by }: OperatorRequest): Promise<RegistrationStatus> {
    this.#dependencyCalls.retryNow();
    await this.#leaveEvent('retry-step', by, 'retry requested');
    return this.status();
  }

  async confirmCode(sendNumber: number | undefined): Promise<StepAnswer> {
    this.#provenChannel ??= this.#codes.sends.find(({ number }) => number === sendNumber)?.channel;
    return this.finishStep('code', 'right code typed');
  }

  async setCredentials(credentialsRef: string): Promise<StepAnswer> {
    const { registrationId } = this.#input;
    const kept = await accounts.hashCredentials.executeWithOptions(readable.hash, [{ registrationId, credentialsRef }]);
    if (kept === 'lost') return this.#answer('lost');
    return this.finishStep('credentials', 'credentials set');
  }

  /**
   * Records a completed step. After the last step it returns once the registration is closed, waits for a dependency,
   * or requires the step `approval`.
   */
  async finishStep(name: StepName, note: string): Promise<StepAnswer> {
    if (!this.#done.has(name)) {
      this.#done.add(name);
      this.#note(note);
      if (!this.#isProven()) await this.#announce();
    }
    if (this.#isProven()) {
      await condition(() => this.#isClosed || this.#dependencyCalls.unavailable.size > 0 || !this.#isProven());
    }
    return this.#answer('done');
  }

  async cancel(request: CancelRequest | undefined): Promise<RegistrationStatus> {
    this.#cancelled = true;
    if (request?.reason !== undefined) this.#cancelReason = request.reason;
    else if (request !== undefined) {
      this.#cancelReason = 'operator';
      await this.#leaveEvent('cancel', request.by, 'cancel requested');
    }
    await condition(() => this.#isClosed);
    return this.status();
  }

  /** Refuses an update after the end. @throws {ApplicationFailure} registration-closed, registration-expired */
  expectRunning(): void {
    if (this.#outcome === 'expired') throw refusal('registration-expired');
    if (this.#isOver()) throw refusal('registration-closed');
  }

  /** Accepts a repeated cancellation, also while compensations run. @throws {ApplicationFailure} as `expectRunning` */
  expectCancellable(request: OperatorRequest | undefined): void {
    expectPlainName(request?.by);
    if (!this.#cancelled) this.expectRunning();
  }

  /** Refuses a retry when no call has failed. @throws {ApplicationFailure} malformed, nothing-waiting */
  expectRetryable({ by }: OperatorRequest): void {
    expectPlainName(by);
    if (!this.#dependencyCalls.hasFailed()) throw refusal('nothing-waiting');
  }

  /**
   * Refuses a switch when no send waits or was refused.
   *
   * @throws {ApplicationFailure} as `expectSendable`, and malformed, nothing-waiting
   */
  expectSwitchable({ channel, by }: OperatorRequest & { channel: Channel }): void {
    expectPlainName(by);
    this.expectOpen('code');
    if (this.#codes.stuckFor(channel) === undefined) {
      throw refusal('nothing-waiting', { message: 'No code sent by another channel waits or was refused' });
    }
    this.expectSendable(channel);
  }

  /**
   * Refuses an approval that is not required.
   *
   * @throws {ApplicationFailure} as `expectProvable`, and step-not-available
   */
  expectApprovable(): void {
    this.expectProvable('approval');
    if (this.#lockedBy === undefined) throw refusal('step-not-available');
  }

  /** Accepts a step that is already done, also after the end. @throws {ApplicationFailure} as `expectRunning` */
  expectProvable(name: StepName): void {
    if (!this.#done.has(name)) this.expectRunning();
  }

  /**
   * Refuses a step that is not in the policy.
   *
   * @throws {ApplicationFailure} as `expectRunning`, and step-not-available
   */
  expectOpen(name: StepName): void {
    this.expectRunning();
    const isOpen = this.#policy().includes(name) && !this.#isProven();
    if (!isOpen) throw refusal('step-not-available');
  }

  /**
   * Refuses a code that cannot be sent by the channel now.
   *
   * @throws {ApplicationFailure} as `expectOpen`, and step-blocked, channel-not-available, channel-refused,
   *   rate-limited
   */
  expectSendable(channel: Channel): void {
    this.expectOpen('code');
    if (this.#done.has('code')) throw refusal('step-not-available');
    if (openNeeds('code', this.#state()).length > 0) throw refusal('step-blocked');
    if (!channelsOf(this.#identity, this.#input.rules).includes(channel)) throw refusal('channel-not-available');
    if (this.#codes.has(channel, 'refused')) throw refusal('channel-refused');
    const next = nextSendAt(this.#codes.sends, channel, this.#input.rules, this.#input.startedAt);
    const isSending = this.#codes.has(channel, 'sending');
    if (next === null) throw refusal('rate-limited');
    if (isSending || next > Date.now()) {
      throw refusal('rate-limited', { retryAfterSeconds: Math.max(1, Math.ceil((next - Date.now()) / 1000)) });
    }
  }

  async #untilStepsDone(): Promise<void> {
    const { ttlSeconds, waitMaxSeconds, startedAt } = { ...this.#input.rules, startedAt: this.#input.startedAt };
    const waitUntil = startedAt + (ttlSeconds + waitMaxSeconds) * 1000;
    while (!this.#isOver() && !this.#isProven()) {
      const remaining = this.#expiresAt - Date.now();
      if (remaining > 0) {
        await condition(() => this.#isOver() || this.#isProven(), remaining);
      } else if (this.#dependencyCalls.unavailable.size > 0 && Date.now() < waitUntil) {
        // time spent waiting for a dependency does not count against the user
        this.#expiresAt = Math.min(Date.now() + ttlSeconds * 1000, waitUntil);
      } else {
        this.#end(
          'expired',
          this.#dependencyCalls.unavailable.size > 0
            ? `${[...this.#dependencyCalls.unavailable][0]}-unavailable`
            : undefined,
        );
      }
    }
  }

  /** Steps 5 and 6 of the module comment. */
  async #finish(): Promise<void> {
    const account: AccountInput = {
      registrationId: this.#input.registrationId,
      userId: this.#owner(),
      identity: this.#provenIdentity(),
      createdAt: Date.now(),
      ...(this.#input.locale !== undefined && { locale: this.#input.locale }),
    };
    if (this.#lockedBy !== undefined) return this.#reopen(account);
    this.#undo.add(() =>
      this.#dependencyCalls.callUntilDone('database', () =>
        accounts.releaseIdentity.executeWithOptions(readable.release, [account]),
      ),
    );
    const until = Date.now() + this.#input.rules.waitMaxSeconds * 1000;
    const isUnwanted = () => this.#isOver() || Date.now() > until;
    const claim = () => accounts.claimIdentity.executeWithOptions(readable.claim, [account]);
    const claimed = await this.#dependencyCalls.callWhenAvailable('database', claim, isUnwanted);
    if (claimed === false) return this.#end('rejected', 'identity-taken');
    if (typeof claimed === 'object') return this.#lock(claimed.lockedBy);
    this.#undo.add(() =>
      this.#dependencyCalls.callUntilDone('database', () =>
        accounts.removeAccount.executeWithOptions(readable.remove, [account]),
      ),
    );
    const create = () => accounts.createAccount.executeWithOptions(readable.create, [account]).then(() => true);
    const isDone = await this.#dependencyCalls.callWhenAvailable('database', create, isUnwanted);
    if (this.#isOver()) return;
    if (isDone) this.#end('completed');
    else this.#end('expired', 'database-unavailable');
  }

  /** Adds the step `approval`, and restarts the lifetime so that the user has all of it to type the PIN. */
  async #lock(lockedBy: string): Promise<void> {
    this.#lockedBy = lockedBy;
    this.#prolong();
    this.#note('existing account found, locked by a PIN');
    await this.#announce();
  }

  /** Step 8 of the module comment, once the PIN was typed. */
  async #reopen(account: AccountInput): Promise<void> {
    const until = Date.now() + this.#input.rules.waitMaxSeconds * 1000;
    const reopen = () => accounts.recoverAccount.executeWithOptions(readable.reopen, [account]);
    const replaced = await this.#dependencyCalls.callWhenAvailable('database', reopen, () => Date.now() > until);
    if (replaced === undefined) return this.#end('expired', 'database-unavailable');
    if (replaced === false) return this.#end('rejected', 'identity-taken');
    this.#replaced = replaced;
    this.#end('completed');
  }

  async #close(): Promise<void> {
    if (this.#outcome === undefined) this.#end('cancelled', this.#cancelReason);
    if (this.#outcome !== 'completed') await this.#undo.run();
    await this.#announce();
    this.#isClosed = true;
    // after the last handler, so that credentials it stored late are removed too
    await condition(allHandlersFinished);
    await forget({ registrationId: this.#input.registrationId, status: this.status() });
    if (this.#outcome === 'completed') await this.#tellOwner();
  }

  /** Sends the welcome notification, or one for each credential that was replaced in an existing account. */
  async #tellOwner(): Promise<void> {
    const userId = this.#owner();
    const { email } = this.#provenIdentity();
    if (this.#lockedBy !== undefined) {
      for (const kind of this.#replaced) {
        await notifyOwner({ userId, kind: `${kind}-changed`, occasion: this.#input.registrationId });
      }
    } else if (email !== undefined) {
      // the recipient is known, so the notification need not read the account
      const recipients = recipientsOf({ email, ...this.#wishes() });
      await notifyOwner({ userId, kind: 'welcome', occasion: 'account', recipients });
    }
  }

  /** The user id of the existing account, or of the new one. */
  #owner(): string {
    return this.#lockedBy ?? this.#userId;
  }

  /** Waits for a running attempt first: if the provider accepts its code, none is sent by another channel. */
  async #sendInstead(channel: Channel): Promise<void> {
    const stuck = this.#codes.stuckFor(channel);
    if (stuck === undefined) throw refusal('nothing-waiting');
    // before the first await, so that no further attempt starts and the validator refuses a concurrent update
    if (stuck.state === 'sending') {
      this.#prolong();
      this.#codes.giveUp(stuck);
    }
    const isTrying = () => this.#dependencyCalls.isTrying(stuck.channel);
    if (isTrying()) {
      await condition(() => !isTrying());
      if (this.#codes.sends.some(({ number, state }) => number === stuck.number && state === 'sent')) {
        throw refusal('nothing-waiting', { message: 'The provider has accepted the code in the meantime' });
      }
      this.expectSendable(channel);
    }
    await this.requestCode(channel);
  }

  /** Restarts the lifetime: time spent waiting for a dependency does not count. */
  #prolong(): void {
    this.#expiresAt = Math.max(this.#expiresAt, Date.now() + this.#input.rules.ttlSeconds * 1000);
  }

  /** Language and app that messages are written for. */
  #wishes(): Pick<RegistrationInput, 'locale' | 'client'> {
    const { locale, client } = this.#input;
    return { ...(locale !== undefined && { locale }), ...(client !== undefined && { client }) };
  }

  /** Notifies an existing owner that their number or address is being registered. Does not wait for it. */
  #sendSecurityAlert(channel: Channel): void {
    const { to } = this.#destinationOf(channel);
    if (to === undefined || this.#warned.has(to)) return;
    this.#warned.add(to);
    // a failure is ignored: it would reveal that there is an owner
    const { registrationId, client } = this.#input;
    void sendSecurityAlert({ channel, to, registrationId }, client).catch(() => undefined);
  }

  #destinationOf(channel: Channel): { to: string | undefined; country?: string | undefined } {
    const to = addressOf(this.#identity, channel);
    return channel === 'email' ? { to } : { to, country: countryOf(this.#identity) };
  }

  /** Records an operator's action in the timeline and emits its event. */
  async #leaveEvent(act: OperatorAct['act'], operator: string | undefined, text: string): Promise<void> {
    this.#note(`operator${operator === undefined ? '' : ` ${operator}`}: ${text}`);
    const { registrationId } = this.#input;
    await operatorAct({ act, registrationId, number: ++this.#operatorActs, ...(operator && { operator }) });
  }

  /** Replaces the identity with the directory entry: addresses that the client stated receive no codes. */
  async #adopt(identity: Identity): Promise<'done' | 'somebody-else'> {
    if (this.#done.has('directory')) {
      return identity.directoryId === this.#identity.directoryId ? 'done' : 'somebody-else';
    }
    this.#identity = identity;
    await this.finishStep('directory', 'directory password right');
    return 'done';
  }

  async #announce(): Promise<void> {
    this.#version++;
    const status = this.status();
    this.#show();
    const attributes = searchAttributesOf(this.#state(), status);
    const shown = JSON.stringify(attributes.map(({ value }) => value));
    if (shown !== this.#published) upsertSearchAttributes(attributes);
    this.#published = shown;
    const { registrationId, tokenHash } = this.#input;
    await publishStatus({ registrationId, tokenHash, status });
  }

  #end(outcome: Exclude<RegistrationStateName, 'pending' | 'waiting'>, reason?: string): void {
    this.#outcome = outcome;
    this.#reason = reason;
    this.#note(reason === undefined ? outcome : `${outcome}: ${reason}`);
  }

  /** Rejects the registration after an error in work that an update left running; the error would be lost otherwise. */
  #fail(err: unknown): void {
    if (!isCancellation(err)) this.#end('rejected', 'internal-error');
  }

  /**
   * The directory vouches for its whole entry. Of a client's own identity, only the address that got the code is
   * proven.
   */
  #provenIdentity(): Identity {
    if (this.#provenChannel === undefined || this.#input.policy.includes('directory')) return this.#identity;
    return withOnlyAddressOf(this.#identity, this.#provenChannel);
  }

  #answer(outcome: StepAnswer['outcome']): StepAnswer {
    return { outcome, status: this.status() };
  }

  #isProven(): boolean {
    return this.#policy().every((name) => this.#done.has(name));
  }

  #policy(): StepName[] {
    return this.#lockedBy === undefined ? this.#input.policy : [...this.#input.policy, 'approval'];
  }

  #isOver(): boolean {
    return this.#outcome !== undefined || this.#cancelled;
  }

  #note(text: string): void {
    this.#timeline.push({ at: Date.now(), text });
    this.#show();
  }

  /** Sets the current details. The worker holds them and a query reads them, so they add nothing to the history. */
  #show(): void {
    const { startedAt } = this.#input;
    const dependencyCalls = this.#dependencyCalls.all;
    setCurrentDetails(detailsOf({ status: this.status(), startedAt, dependencyCalls, timeline: this.#timeline }));
  }

  #state(): RegistrationState {
    const { rules, startedAt } = this.#input;
    const waitingFor = [...this.#dependencyCalls.unavailable][0];
    return {
      policy: this.#policy(),
      rules,
      startedAt,
      identity: this.#identity,
      done: this.#done,
      sends: this.#codes.sends,
      expiresAt: this.#expiresAt,
      version: this.#version,
      userId: this.#owner(),
      ...(this.#lockedBy !== undefined && { lockedBy: this.#lockedBy }),
      ...(this.#outcome && { outcome: this.#outcome }),
      ...(this.#reason !== undefined && { reason: this.#reason }),
      ...(waitingFor && { waitingFor }),
    };
  }
}

/** The operator name is shown as Markdown and logged, so its length and characters are restricted. */
function expectPlainName(name: unknown): void {
  if (name === undefined || (typeof name === 'string' && /^[\w.-]{1,64}$/.test(name))) return;
  throw refusal('malformed', {
    message: 'An operator name has up to 64 letters, digits, dots, dashes and underscores',
  });
}
