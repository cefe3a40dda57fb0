/** The state of the connection, below the navigation, and the devices that wait for a decision. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { ClientStatus } from '../client/status.ts';
import { type Inbox, openInbox } from './inbox.ts';
import { renewPush } from './push.ts';
import { addressOf } from './router.ts';
import { routeOf } from './routes.ts';
import { View } from './screen.ts';
import { fill, formatTime, texts } from './texts.ts';
import { accountChanged } from './vyry.ts';

type LinkRequests = Awaited<ReturnType<Inbox['vyry']['devices']['requests']>>;

/** The element `vyry-connection`. It connects when the session is that of a device. */
class Connection extends View {
  #inbox: Inbox | undefined;
  #status: ClientStatus | undefined;
  #requests: LinkRequests = [];
  #endings: (() => void)[] = [];

  protected override opened(): void {
    accountChanged.addEventListener('change', () => void this.#follow(), { signal: this.ended });
    // the screen that decides shows the requests itself
    addEventListener('popstate', () => this.update(), { signal: this.ended });
    void this.#follow();
  }

  async #follow(): Promise<void> {
    const inbox = await openInbox().catch(() => undefined);
    if (inbox === this.#inbox) return;
    for (const end of this.#endings) end();
    this.#inbox = inbox;
    this.#status = undefined;
    this.#requests = [];
    this.#endings = inbox === undefined ? [] : this.#listen(inbox);
    this.update();
  }

  #listen({ vyry }: Inbox): (() => void)[] {
    const loadRequests = async () => {
      this.#requests = await vyry.devices.requests();
      this.update();
    };
    const load = () => void loadRequests().catch(() => undefined);
    let isConnected = false;
    return [
      vyry.state.subscribe((status) => {
        this.#status = status;
        this.update();
        if (status.kind === 'connected' && !isConnected) {
          load();
          void renewPush(vyry).catch(() => undefined);
        }
        isConnected = status.kind === 'connected';
      }),
      vyry.on('link-requested', load),
      vyry.on('link-changed', load),
    ];
  }

  protected override view(): TemplateResult {
    const { connection } = texts();
    return html`<p class="quiet" role="status">${this.#status ? statusText(this.#status) : ''}
        ${this.#isReplaced ? html`<button type="button" class="plain" @click=${() => this.#inbox?.vyry.connect()}>${connection.here}</button>` : nothing}</p>
      <div role="alert">${(routeOf(location) === 'link-device' ? [] : this.#requests).map(
        ({ linkId, deviceName, kind }) => html`<p class="problem">
          ${fill(connection.requests[kind], { name: deviceName })}
          <a href=${addressOf('link-device', { request: linkId })}>${connection.look}</a></p>`,
      )}</div>`;
  }

  get #isReplaced(): boolean {
    return this.#status?.kind === 'offline' && this.#status.reason === 'replaced';
  }
}

/** Returns a state in words. */
function statusText(status: ClientStatus): string {
  const { connection } = texts();
  switch (status.kind) {
    case 'signed-out':
      return connection.signedOut;
    case 'connecting':
      return connection.connecting;
    case 'catching-up':
      return fill(connection.catchingUp, { count: status.received });
    case 'connected':
      return connection.connected;
    case 'offline':
      return status.reason === 'replaced'
        ? connection.replaced
        : fill(connection.offline, { time: formatTime(status.since) });
  }
}

customElements.define('vyry-connection', Connection);
