/**
 * Registration: one person, one flow.
 *
 * Steps may be done in any order that their needs allow:
 * 1. `directory`: bind as the person, read name, number and address.
 * 2. `captcha`: the api has verified it; the flow notes it.
 * 3. `code`: send a code (needs 1 and 2), note that it was typed; the api has compared it. An owner of the number or
 *    address, when there is one already, is told by a notification.
 * 4. `credentials`: hash password and PIN and keep the hashes.
 * Then, when all are done:
 * 5. Claim name, number and address. Undone: they are released.
 * 6. Write the account. Undone: it is removed.
 * 7. Have a welcome sent to its address, without waiting for it.
 *
 * When the identity has an account already that is locked by a PIN, nothing is claimed and another step joins:
 * 8. `approval`: the PIN of that account; the api has compared it. The person gets that account, with the password or PIN
 *    they set, and its sessions end.
 *
 * Undone in reverse when the person cancels, when somebody else owns the identity, or when time runs out. While an
 * outside system is away the flow is parked: it says what it waits for and goes on by itself. An operator may have a
 * parked flow try at once, send its code by another channel, or cancel it.
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

export interface RegistrationInput {
  registrationId: string;
  tokenHash: string;
  policy: StepName[];
  rules: RegistrationRules;
  /** What the client says of itself; a directory, when listed, has the last word. */
  identity: Identity;
  /** Milliseconds since the Unix epoch. */
  startedAt: number;
  /** Language of the messages, as `languageFor` chose it. */
  locale?: string;
  client?: ClientKind;
}

/**
 * `unavailable`: an outside system is away, the step goes on by itself. `lost`: the secret has to be given again.
 * `somebody-else`: the step was done before, as another person.
 */
export interface StepAnswer {
  outcome: 'done' | 'refused' | 'lost' | 'waiting' | 'somebody-else';
  status: RegistrationStatus;
}

/** What an operator orders. Its presence tells an operator from the person. */
export interface OperatorRequest {
  /** Name of the operator, for the timeline: up to 64 letters, digits, dots, dashes and underscores. */
  by?: string | undefined;
}

/** What ends a registration that its person does not end: an operator, or who has the number or address already. */
export interface CancelRequest extends OperatorRequest {
  /** The owner's; an operator gives none. */
  reason?: 'stopped-by-owner';
}

/** Where the registration stands. */
export const registrationStatus = defineQuery<RegistrationStatus>('registrationStatus');
/** Binds as the person. A newer order takes the place of an older one that is parked. */
export const authenticate = defineUpdate<StepAnswer, [{ username: string; passwordRef: string }]>('authenticate');
/** Notes that a captcha was verified. */
export const passCaptcha = defineUpdate<StepAnswer>('passCaptcha');
/** Sends a code; answers before it is sent. */
export const requestCode = defineUpdate<RegistrationStatus, [{ channel: Channel }]>('requestCode');
/** Notes that the right code was typed: that of a send, which says what was proven. */
export const confirmCode = defineUpdate<StepAnswer, [{ send?: number | undefined }]>('confirmCode');
/** Hashes and keeps a password, a PIN or both. */
export const setCredentials = defineUpdate<StepAnswer, [{ credentialsRef: string }]>('setCredentials');
/** Notes that the PIN of the account that the identity belongs to was typed. */
export const approve = defineUpdate<StepAnswer>('approve');
/** Ends the registration and takes back what was done; for an operator or an owner when there is an order. */
export const cancel = defineUpdate<RegistrationStatus, [CancelRequest | undefined]>('cancel');
/** Operator: everything that is parked tries its outside system at once, instead of after its pause. */
export const retryStep = defineUpdate<RegistrationStatus, [OperatorRequest]>('retryStep');
/** Operator: gives up a send that is parked or was refused, for good, and sends a new code by another channel. */
export const switchChannel = defineUpdate<RegistrationStatus, [OperatorRequest & { channel: Channel }]>(
  'switchChannel',
);

const directory = proxyActivities<DirectoryActivities>({
  taskQueue: 'directory',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
  summary: 'Bind as the person',
});
const accounts = proxyActivities<AccountActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
const readable = {
  hash: { summary: 'Hash and keep password and PIN' },
  claim: { summary: 'Claim name, number and address' },
  reopen: { summary: 'Give the person the account that is theirs' },
  release: { summary: 'Release name, number and address' },
  create: { summary: 'Write the account' },
  remove: { summary: 'Remove the account' },
};
const { publishStatus, operatorAct, forget } = proxyLocalActivities<RegistrationActivities>(localStep);

/** Turns what a person proves into an account. */
export async function registration(input: RegistrationInput): Promise<RegistrationStatus> {
  const execution = new RegistrationExecution(input);
  setHandler(registrationStatus, () => execution.status(), { description: 'Where the registration stands' });
  setHandler(authenticate, (request): Promise<StepAnswer> => execution.authenticate(request), {
    validator: (_request) => execution.expectOpen('directory'),
    description: 'Binds as the person',
  });
  setHandler(passCaptcha, (): Promise<StepAnswer> => execution.finishStep('captcha', 'captcha solved'), {
    validator: () => execution.expectProvable('captcha'),
    description: 'Notes that a captcha was verified',
  });
  setHandler(requestCode, ({ channel }): Promise<RegistrationStatus> => execution.requestCode(channel), {
    validator: ({ channel }) => execution.expectSendable(channel),
    description: 'Sends a code by a channel',
  });
  // an update of an earlier version says nothing of the send
  setHandler(confirmCode, (proof): Promise<StepAnswer> => execution.confirmCode(proof?.send), {
    validator: (_proof) => execution.expectProvable('code'),
    description: 'Notes that the right code was typed',
  });
  setHandler(setCredentials, (request): Promise<StepAnswer> => execution.setCredentials(request.credentialsRef), {
    validator: (_request) => execution.expectOpen('credentials'),
    description: 'Hashes and keeps a password or PIN',
  });
  setHandler(approve, (): Promise<StepAnswer> => execution.finishStep('approval', 'PIN of the account right'), {
    validator: () => execution.expectApprovable(),
    description: 'Notes that the PIN of the account was typed',
  });
  setHandler(cancel, (request): Promise<RegistrationStatus> => execution.cancel(request), {
    validator: (request) => execution.expectCancellable(request),
    description: 'Ends the registration and takes back what was done',
  });
  setHandler(retryStep, (request): Promise<RegistrationStatus> => execution.retryStep(request), {
    validator: (request) => execution.expectRetryable(request),
    description: 'Operator: what is parked tries its outside system at once',
  });
  setHandler(switchChannel, (request): Promise<RegistrationStatus> => execution.switchChannel(request), {
    validator: (request) => execution.expectSwitchable(request),
    description: 'Operator: gives up a send that is parked or refused and sends a code by another channel',
  });
  return execution.run();
}

/** A flow from its start to its end: its state, and the only place that changes it. */
class RegistrationExecution {
  readonly #input: RegistrationInput;
  readonly #userId = uuid4();
  readonly #done = new Set<StepName>();
  readonly #dependencyCalls: DependencyCalls;
  readonly #codes: CodeSending;
  readonly #undo = new Compensations();
  /** Numbers and addresses whose owners were looked for. */
  readonly #warned = new Set<string>();
  readonly #timeline: { at: number; text: string }[] = [];
  #identity: Identity;
  #expiresAt: number;
  #version = 0;
  #published: string | undefined;
  #provenChannel: Channel | undefined;
  #directoryTurn = 0;
  /** The account whose lock is in the way. */
  #lockedBy: string | undefined;
  /** What was replaced in that account. */
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
    // before the first await: a second order that is handled now is refused by its validator
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
    await this.#leaveEvent('retry-step', by, 'retry asked for');
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

  /** Notes a proof. When it was the last one, answers with the end, or with what the end waits for. */
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
      await this.#leaveEvent('cancel', request.by, 'cancel asked for');
    }
    await condition(() => this.#isClosed);
    return this.status();
  }

  /** @throws {ApplicationFailure} registration-closed, registration-expired */
  expectRunning(): void {
    if (this.#outcome === 'expired') throw refusal('registration-expired');
    if (this.#isOver()) throw refusal('registration-closed');
  }

  /** A repeat while it is being taken back is answered as the first. @throws {ApplicationFailure} as `expectRunning` */
  expectCancellable(request: OperatorRequest | undefined): void {
    expectPlainName(request?.by);
    if (!this.#cancelled) this.expectRunning();
  }

  /** @throws {ApplicationFailure} malformed, nothing-waiting */
  expectRetryable({ by }: OperatorRequest): void {
    expectPlainName(by);
    if (!this.#dependencyCalls.hasFailed()) throw refusal('nothing-waiting');
  }

  /** @throws {ApplicationFailure} as `expectSendable`, and malformed, nothing-waiting */
  expectSwitchable({ channel, by }: OperatorRequest & { channel: Channel }): void {
    expectPlainName(by);
    this.expectOpen('code');
    if (this.#codes.stuckFor(channel) === undefined) {
      throw refusal('nothing-waiting', { message: 'No code of another channel waits for its provider or was refused' });
    }
    this.expectSendable(channel);
  }

  /** @throws {ApplicationFailure} as `expectProvable`, and step-not-available */
  expectApprovable(): void {
    this.expectProvable('approval');
    if (this.#lockedBy === undefined) throw refusal('step-not-available');
  }

  /** A repeat is answered as the first, also when that was the last step. @throws {ApplicationFailure} as `expectRunning` */
  expectProvable(name: StepName): void {
    if (!this.#done.has(name)) this.expectRunning();
  }

  /** @throws {ApplicationFailure} as `expectRunning`, and step-not-available */
  expectOpen(name: StepName): void {
    this.expectRunning();
    const isOpen = this.#policy().includes(name) && !this.#isProven();
    if (!isOpen) throw refusal('step-not-available');
  }

  /** @throws {ApplicationFailure} as `expectOpen`, and step-blocked, channel-not-available, channel-refused, rate-limited */
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
        // time spent waiting for an outside system is not the person's
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

  /** Steps 5 and 6 of the story. */
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

  /** The account that has the identity asks for its PIN: the person gets the whole time for it. */
  async #lock(lockedBy: string): Promise<void> {
    this.#lockedBy = lockedBy;
    this.#prolong();
    this.#note('there is an account, locked by a PIN');
    await this.#announce();
  }

  /** Step 8 of the story, after the PIN. */
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
    // after the last handler: what it kept late is forgotten too
    await condition(allHandlersFinished);
    await forget({ registrationId: this.#input.registrationId, status: this.status() });
    if (this.#outcome === 'completed') await this.#tellOwner();
  }

  /** Has the owner welcomed, or told that a password or PIN of the account was replaced. */
  async #tellOwner(): Promise<void> {
    const userId = this.#owner();
    const { email } = this.#provenIdentity();
    if (this.#lockedBy !== undefined) {
      for (const kind of this.#replaced) {
        await notifyOwner({ userId, kind: `${kind}-changed`, occasion: this.#input.registrationId });
      }
    } else if (email !== undefined) {
      // where it goes is known already: nothing is read for it
      const recipients = recipientsOf({ email, ...this.#wishes() });
      await notifyOwner({ userId, kind: 'welcome', occasion: 'account', recipients });
    }
  }

  /** The account this is for. */
  #owner(): string {
    return this.#lockedBy ?? this.#userId;
  }

  /** A try that is under way has the last word: what it handed over is not sent again by another channel. */
  async #sendInstead(channel: Channel): Promise<void> {
    const stuck = this.#codes.stuckFor(channel);
    if (stuck === undefined) throw refusal('nothing-waiting');
    // before the first await: no further try begins, and a second order is refused by its validator
    if (stuck.state === 'sending') {
      this.#prolong();
      this.#codes.giveUp(stuck);
    }
    const isTrying = () => this.#dependencyCalls.isTrying(stuck.channel);
    if (isTrying()) {
      await condition(() => !isTrying());
      if (this.#codes.sends.some(({ number, state }) => number === stuck.number && state === 'sent')) {
        throw refusal('nothing-waiting', { message: 'The provider has taken the code meanwhile' });
      }
      this.expectSendable(channel);
    }
    await this.requestCode(channel);
  }

  /** The person gets the whole time again: what passed was not theirs. */
  #prolong(): void {
    this.#expiresAt = Math.max(this.#expiresAt, Date.now() + this.#input.rules.ttlSeconds * 1000);
  }

  /** How the person wants their messages. */
  #wishes(): Pick<RegistrationInput, 'locale' | 'client'> {
    const { locale, client } = this.#input;
    return { ...(locale !== undefined && { locale }), ...(client !== undefined && { client }) };
  }

  /** Has the owner of an account told that their number or address is being registered. Nothing waits for it. */
  #sendSecurityAlert(channel: Channel): void {
    const { to } = this.#destinationOf(channel);
    if (to === undefined || this.#warned.has(to)) return;
    this.#warned.add(to);
    // the registration must not show that there is an owner, not even by failing
    const { registrationId, client } = this.#input;
    void sendSecurityAlert({ channel, to, registrationId }, client).catch(() => undefined);
  }

  #destinationOf(channel: Channel): { to: string | undefined; country?: string | undefined } {
    const to = addressOf(this.#identity, channel);
    return channel === 'email' ? { to } : { to, country: countryOf(this.#identity) };
  }

  /** Notes what an operator did, in the timeline and as an event. */
  async #leaveEvent(act: OperatorAct['act'], operator: string | undefined, text: string): Promise<void> {
    this.#note(`operator${operator === undefined ? '' : ` ${operator}`}: ${text}`);
    const { registrationId } = this.#input;
    await operatorAct({ act, registrationId, number: ++this.#operatorActs, ...(operator && { operator }) });
  }

  /** Takes over what the directory says: it has the last word, what the client said of itself receives no codes. */
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

  /** A bug in what runs behind an answered order fails the flow, loudly, instead of being lost. */
  #fail(err: unknown): void {
    if (!isCancellation(err)) this.#end('rejected', 'internal-error');
  }

  /** A directory vouches for all it says; of what a client says, only the address is proven that its code went to. */
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

  /** The current details: kept by the worker and read by a query, so that they cost no history. */
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

/** It is shown as Markdown and logged, so it is bounded and plain. */
function expectPlainName(name: unknown): void {
  if (name === undefined || (typeof name === 'string' && /^[\w.-]{1,64}$/.test(name))) return;
  throw refusal('malformed', {
    message: 'An operator is named by up to 64 letters, digits, dots, dashes, underscores',
  });
}
