/**
 * Registration: the steps that the server lists, in any order that it allows. It is continued after a reload, because its
 * token is in the store.
 */
import { html, nothing, type TemplateResult } from 'lit-html';
import { hasCode } from '../../client/errors.ts';
import type { RegistrationFlow } from '../../client/registration.ts';
import { field, onSubmit } from '../forms.ts';
import { Screen } from '../screen.ts';
import { fill, formatTime, language, texts } from '../texts.ts';
import { noteAccountChanged, openVyry, readAccount } from '../vyry.ts';
import { type Registration, type StepForms, stepForm } from './register-steps.ts';

/** Seconds of one long poll. */
const pollSeconds = 25;
/** Between two polls that failed. */
const retryMs = 5000;

/** The element `vyry-register`. */
class Register extends Screen {
  #flow: RegistrationFlow | undefined;
  #registration: Registration | undefined;
  /** The step that the person has chosen among the open ones. */
  #chosen: string | undefined;
  /** The six digits of an approval. */
  #digits: string | undefined;

  override heading(): string {
    return texts().titles.register;
  }

  protected override opened(): void {
    void this.act(async () => {
      const { isRegistering } = await readAccount();
      if (isRegistering) await this.#follow(await (await openVyry()).continueRegistration());
    });
    // times until the next code count down
    const ticking = setInterval(() => this.update(), 1000);
    this.ended.addEventListener('abort', () => clearInterval(ticking));
  }

  protected override content(): TemplateResult | typeof nothing {
    const registration = this.#registration;
    if (registration === undefined || this.#flow === undefined) return this.#startForm();
    if (registration.state === 'completed') return html`<p>${texts().register.completed}</p>`;
    if (registration.state !== 'pending' && registration.state !== 'waiting') return this.#over(registration);
    return html`${this.#waiting(registration)} ${this.#steps(registration)} ${this.#form(registration, this.#flow)}
      <button type="button" class="plain" ?disabled=${this.isBusy} @click=${this.#cancel}>
        ${texts().register.cancel}
      </button>`;
  }

  #startForm(): TemplateResult {
    const { register } = texts();
    return html`<p>${register.intro}</p>
      <form @submit=${onSubmit((values) => void this.#start(values))}>
        ${field({ name: 'phone', label: register.phone, type: 'tel', autocomplete: 'tel', isRequired: false })}
        ${field({ name: 'email', label: register.email, type: 'email', autocomplete: 'email', isRequired: false })}
        ${field({ name: 'fullName', label: register.fullName, autocomplete: 'name', isRequired: false })}
        ${field({ name: 'username', label: register.username, autocomplete: 'username', isRequired: false })}
        <button ?disabled=${this.isBusy}>${register.start}</button>
      </form>`;
  }

  #over({ state, reason }: Registration): TemplateResult {
    const { register, registrationStates } = texts();
    return html`<p>${registrationStates[state as keyof typeof registrationStates]}</p>
      ${reason === 'identity-taken' ? html`<p>${register.identityTaken}</p>` : nothing}
      <button type="button" @click=${this.#forget}>${register.startAgain}</button>`;
  }

  /** Says what the registration waits for, and until when. */
  #waiting({ state, waitingFor = '', expiresAt }: Registration): TemplateResult | typeof nothing {
    const { register, awaited } = texts();
    const time = formatTime(expiresAt);
    if (state !== 'waiting') return html`<p class="quiet">${fill(register.validUntil, { time })}</p>`;
    const what = awaited[waitingFor as keyof typeof awaited] ?? waitingFor;
    return html`<p class="quiet" role="status">${fill(register.waitingFor, { what, time })}</p>`;
  }

  #steps({ steps }: Registration): TemplateResult {
    const { register, stepNames, stepStates } = texts();
    const shown = this.#shownStep();
    return html`<ol class="steps" aria-label=${register.steps}>
      ${steps.map(({ name, status }) => {
        const label = stepNames[name as keyof typeof stepNames] ?? name;
        return html`<li data-status=${status} aria-current=${name === shown ? 'step' : nothing}>
          ${
            status === 'open' && name !== shown
              ? html`<button type="button" class="plain" @click=${() => this.#choose(name)}>${label}</button>`
              : label
          }
          <span class="quiet">${stepStates[status]}</span>
        </li>`;
      })}
    </ol>`;
  }

  #form(registration: Registration, flow: RegistrationFlow): TemplateResult | typeof nothing {
    const name = this.#shownStep();
    if (this.#digits !== undefined) {
      const { register } = texts();
      return html`<h2>${register.approvalDigits}</h2>
        <p class="digits" role="status" dir="ltr">${this.#digits}</p>
        <p>${register.approvalDigitsHint}</p>`;
    }
    if (name === undefined) return nothing;
    const forms: StepForms = {
      flow,
      registration,
      isBusy: this.isBusy,
      ended: this.ended,
      act: (run, hints) => this.#step(run, hints),
      ask: (deviceName) => this.#ask(deviceName),
    };
    return stepForm(name, forms);
  }

  /**
   * The step whose form is shown: the chosen one while it is open, else the first open one. An approval comes before the
   * device, which needs the identity key that the approval may bring.
   */
  #shownStep(): string | undefined {
    const open = this.#registration?.steps.filter(({ status }) => status === 'open').map(({ name }) => name) ?? [];
    const preferred = [this.#chosen, 'approval'].find((name) => name !== undefined && open.includes(name));
    return preferred ?? open[0];
  }

  #choose(name: string): void {
    this.#chosen = name;
    this.update();
  }

  async #start(person: Record<string, string>): Promise<void> {
    await this.act(async () => {
      const vyry = await openVyry();
      await this.#follow(await vyry.register({ ...person, locale: language(), client: 'web' }));
    });
  }

  /** Shows a registration, and its changes until it ends or the screen is left. */
  async #follow(flow: RegistrationFlow): Promise<void> {
    this.#flow = flow;
    this.#registration = await flow.read();
    this.update();
    void this.#watch(flow);
  }

  async #watch(flow: RegistrationFlow): Promise<void> {
    const isRunning = () => this.#registration?.state === 'pending' || this.#registration?.state === 'waiting';
    while (isRunning() && this.#flow === flow && !this.ended.aborted) {
      try {
        await this.#show(await flow.read(pollSeconds));
      } catch (err) {
        // the next act of the person shows what the server refuses
        if (!hasCode(err, 'UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED')) return;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  async #step(run: () => Promise<Registration | undefined>, hints: Record<string, string> = {}): Promise<boolean> {
    return await this.act(async () => {
      const next = (await run()) ?? (await this.#flow?.read());
      if (next !== undefined) await this.#show(next);
    }, hints);
  }

  /** Begins the session once the registration is completed. */
  async #show(next: Registration): Promise<void> {
    const wasCompleted = this.#registration?.state === 'completed';
    this.#registration = next;
    this.update();
    if (next.state !== 'completed' || wasCompleted) return;
    await this.#flow?.finish();
    noteAccountChanged();
  }

  /** Asks the devices of the account; the digits are shown until a person has typed them there. */
  async #ask(deviceName: string): Promise<void> {
    await this.act(async () => {
      const approval = await this.#flow?.requestApproval(deviceName);
      if (approval === undefined) return;
      this.#digits = await approval.code();
      this.update();
      await approval.complete().finally(() => {
        this.#digits = undefined;
      });
      if (this.#flow) this.#registration = await this.#flow.read();
    });
  }

  #cancel = (): void => {
    void this.act(async () => {
      await this.#flow?.cancel();
      this.#forget();
    });
  };

  #forget = (): void => {
    this.#flow = undefined;
    this.#registration = undefined;
    this.#chosen = undefined;
    this.update();
  };
}

customElements.define('vyry-register', Register);
