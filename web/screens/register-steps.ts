/** The forms of the steps of a registration. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { RegistrationFlow } from '../../client/registration.ts';
import { solveCaptcha } from '../captcha.ts';
import { deviceName } from '../device-name.ts';
import { codeField, field, onSubmit } from '../forms.ts';
import { fill, formatWait, texts } from '../texts.ts';
import { openVyry } from '../vyry.ts';

/** A registration as the server shows it. */
export type Registration = Awaited<ReturnType<RegistrationFlow['read']>>;

/** What the form of a step needs. */
export interface StepForms {
  flow: RegistrationFlow;
  registration: Registration;
  isBusy: boolean;
  /** Aborts when the screen is left. */
  ended: AbortSignal;
  /** Does a step and shows the registration after it. */
  act(run: () => Promise<Registration | undefined>, hints?: Record<string, string>): Promise<boolean>;
  /** Asks the devices of the account for an approval. */
  ask(deviceName: string): Promise<void>;
}

const forms: Record<string, (step: StepForms) => TemplateResult> = {
  directory: directoryForm,
  captcha: captchaForm,
  code: codeForm,
  credentials: credentialsForm,
  approval: approvalForm,
  device: deviceForm,
};

/** Shows the form of a step. A step that this page cannot do is named. */
export function stepForm(name: string, step: StepForms): TemplateResult {
  return forms[name]?.(step) ?? html`<p>${texts().register.elsewhere}</p>`;
}

function directoryForm({ flow, isBusy, act }: StepForms): TemplateResult {
  const { register } = texts();
  const submit = ({ username = '', password = '' }: Record<string, string>) =>
    void act(() => flow.verifyDirectory({ username, password }), { UNAVAILABLE: register.directoryAway });
  return html`<h2 tabindex="-1">${register.directory}</h2>
    <form @submit=${onSubmit(submit)}>
      ${field({ name: 'username', label: register.directoryUsername, autocomplete: 'username' })}
      ${field({
        name: 'password',
        label: register.directoryPassword,
        type: 'password',
        autocomplete: 'current-password',
      })}
      <button ?disabled=${isBusy}>${register.continue}</button>
    </form>`;
}

function captchaForm({ flow, isBusy, ended, act }: StepForms): TemplateResult {
  const { register } = texts();
  const solve = () =>
    void act(async () => flow.verifyCaptcha(await solveCaptcha((await openVyry()).calls, ended)), {
      CAPTCHA_UNKNOWN: register.captchaUnknown,
      FORBIDDEN: register.captchaRefused,
    });
  return html`<h2 tabindex="-1">${register.captcha}</h2>
    <p>${isBusy ? register.captchaSolving : register.captchaHint}</p>
    <button type="button" ?disabled=${isBusy} @click=${solve}>${register.captchaSolve}</button>`;
}

type Channel = 'sms' | 'voice' | 'email';

function codeForm(step: StepForms): TemplateResult {
  const { flow, registration, isBusy, act } = step;
  const { register } = texts();
  const { attemptsLeft, nextCheckAt, phone, email } = registration;
  const wait = secondsUntil(nextCheckAt);
  return html`<h2 tabindex="-1">${register.code}</h2>
    <p>${fill(register.codeTo, { places: [phone, email].filter(Boolean).join(', ') })}</p>
    <div class="actions">${channelButtons(step)}</div>
    <form @submit=${onSubmit(({ code = '' }) => void act(() => flow.verifyCode(code)))}>
      ${codeField(register.codeField)}
      ${nextCheckAt === null ? nothing : html`<p class="hint">${fill(register.attemptsLeft, { count: attemptsLeft })}</p>`}
      ${wait > 0 ? html`<p class="hint">${fill(register.checkWait, { wait: formatWait(wait) })}</p>` : nothing}
      <button ?disabled=${isBusy || wait > 0}>${register.codeCheck}</button>
    </form>`;
}

/** A button for each channel that can reach the person, with the time until it may be used again. */
function channelButtons({ flow, registration, isBusy, act }: StepForms): TemplateResult[] {
  const { register, channels } = texts();
  const { nextSmsAt, nextVoiceAt, nextEmailAt } = registration;
  const times: [Channel, string | null][] = [
    ['sms', nextSmsAt],
    ['voice', nextVoiceAt],
    ['email', nextEmailAt],
  ];
  return times
    .filter(([, at]) => at !== null)
    .map(([channel, at]) => {
      const wait = secondsUntil(at);
      const send = () =>
        void act(() => flow.sendCode({ channel }), {
          PROVIDER_REFUSED: register.channelRefused,
          CONFLICT: register.channelMissing,
        });
      return html`<button type="button" class="plain" ?disabled=${isBusy || wait > 0} @click=${send}>
        ${channels[channel]}${wait > 0 ? ` (${formatWait(wait)})` : ''}
      </button>`;
    });
}

function credentialsForm({ flow, isBusy, act }: StepForms): TemplateResult {
  const { register } = texts();
  const submit = (credentials: { password?: string; pin?: string }) =>
    void act(() => flow.submitCredentials(credentials), { INVALID_REQUEST: register.weak });
  return html`<h2 tabindex="-1">${register.credentials}</h2>
    <form @submit=${onSubmit(submit)}>
      ${field({
        name: 'password',
        label: register.password,
        hint: register.passwordHint,
        type: 'password',
        autocomplete: 'new-password',
        isRequired: false,
      })}
      ${field({
        name: 'pin',
        label: register.pin,
        hint: register.pinHint,
        type: 'password',
        inputMode: 'numeric',
        isRequired: false,
      })}
      <button ?disabled=${isBusy}>${register.continue}</button>
    </form>`;
}

function approvalForm({ flow, registration, isBusy, act, ask }: StepForms): TemplateResult {
  const { register } = texts();
  const isDenied = registration.steps.some(({ name, reason }) => name === 'approval' && reason === 'approval-denied');
  const submit = ({ pin = '' }: Record<string, string>) =>
    void act(
      async () => {
        await flow.submitPin(pin);
        return undefined;
      },
      { REGISTRATION_LOCKED: register.pinWrong },
    );
  return html`<h2 tabindex="-1">${register.approval}</h2>
    <p>${isDenied ? register.approvalDenied : register.approvalHint}</p>
    <form @submit=${onSubmit(submit)}>
      ${field({ name: 'pin', label: register.approvalPin, type: 'password', inputMode: 'numeric' })}
      <button ?disabled=${isBusy}>${register.continue}</button>
    </form>
    <button type="button" class="plain" ?disabled=${isBusy} @click=${() => void ask(deviceName())}>
      ${register.approvalAsk}
    </button>`;
}

function deviceForm({ flow, registration, isBusy, act }: StepForms): TemplateResult {
  const { register } = texts();
  const reason = registration.steps.find(({ name }) => name === 'device')?.reason;
  const submit = ({ name = '' }: Record<string, string>) =>
    void act(() => flow.submitDevice(name), { DEVICE_LIMIT: register.deviceLimit });
  return html`<h2 tabindex="-1">${register.device}</h2>
    <p>${reason === 'identity-differs' ? register.deviceAgain : register.deviceHint}</p>
    <form @submit=${onSubmit(submit)}>
      ${field({ name: 'name', label: register.deviceName, value: deviceName() })}
      <button ?disabled=${isBusy}>${register.continue}</button>
    </form>`;
}

function secondsUntil(instant: string | null): number {
  return instant === null ? 0 : Math.max(0, Math.ceil((Date.parse(instant) - Date.now()) / 1000));
}
