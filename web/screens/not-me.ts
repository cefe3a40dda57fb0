/** What the links of messages stop that their owner did not begin: a recovery, or a registration of the own number. */
import { html, type nothing, type TemplateResult } from 'lit-html';
import { addressOf, routeParameters } from '../router.ts';
import { Screen } from '../screen.ts';
import { texts } from '../texts.ts';
import { openVyry } from '../vyry.ts';

/** The element `vyry-not-me`. Opening it stops nothing: programs that scan mail open links too. */
class NotMe extends Screen {
  #isStopped = false;

  override heading(): string {
    return texts().titles['not-me'];
  }

  protected override content(): TemplateResult | typeof nothing {
    const { notMe } = texts();
    const stop = routeParameters().get('stop');
    const token = routeParameters().get('token') ?? '';
    if (this.#isStopped) {
      return html`<p>${notMe.stopped}</p><p><a href=${addressOf('sign-in')}>${texts().titles['sign-in']}</a></p>`;
    }
    const isRecovery = stop === 'recovery';
    return html`<p>${isRecovery ? notMe.recovery : notMe.registration}</p>
      <button type="button" ?disabled=${this.isBusy} @click=${() => void this.#stop(token, isRecovery)}>
        ${isRecovery ? notMe.stopRecovery : notMe.stopRegistration}
      </button>`;
  }

  async #stop(token: string, isRecovery: boolean): Promise<void> {
    await this.act(
      async () => {
        const { calls } = await openVyry();
        await (isRecovery ? calls.stopRecovery({ body: { token } }) : calls.stopRegistrations({ body: { token } }));
        this.#isStopped = true;
      },
      { INVALID_TOKEN: texts().notMe.over, INVALID_REQUEST: texts().notMe.over },
    );
  }
}

customElements.define('vyry-not-me', NotMe);
