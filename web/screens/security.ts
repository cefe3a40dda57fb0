/** What the owner of the account should look at, from what the server tells about it. */
import { html, type TemplateResult } from 'lit-html';
import type { Vyry } from '../../client/vyry.ts';
import { addressOf } from '../router.ts';
import type { RouteName } from '../routes.ts';
import { Screen } from '../screen.ts';
import { fill, formatTime, texts } from '../texts.ts';
import { openVyry } from '../vyry.ts';

const dayMs = 86_400_000;
/** What began in this time may be news to its owner. */
const recentMs = 7 * dayMs;
/** A device that was not used for so long is probably not used any more. */
const idleMs = 30 * dayMs;

/** Something to look at, and the screen on which something can be done about it. */
interface Notice {
  text: string;
  route: RouteName;
}

/** The element `vyry-security`. */
class Security extends Screen {
  #notices: Notice[] | undefined;

  override heading(): string {
    return texts().titles.security;
  }

  protected override opened(): void {
    void this.act(async () => {
      this.#notices = await readNotices(await openVyry());
    });
  }

  protected override content(): TemplateResult {
    const { security, titles } = texts();
    if (this.#notices === undefined) return html`<p>${security.reading}</p>`;
    if (this.#notices.length === 0) return html`<p>${security.none}</p>`;
    return html`<ul class="cards">
        ${this.#notices.map(
          ({ text, route }) => html`<li><p>${text}</p><a href=${addressOf(route)}>${titles[route]}</a></li>`,
        )}
      </ul>
      <p>${security.notYou} <a href=${addressOf('password')}>${titles.password}</a></p>`;
  }
}

async function readNotices(vyry: Vyry): Promise<Notice[]> {
  const { security } = texts();
  const [user, sessions, devices] = await Promise.all([vyry.profile.read(), vyry.sessions.list(), vyry.devices.list()]);
  // only a device may see requests
  const requests = devices.some(({ current }) => current) ? await vyry.devices.requests() : [];
  const ageOf = (instant: string) => Date.now() - Date.parse(instant);
  const { deletionAt, phoneRefused } = user;
  return [
    ...(deletionAt === undefined ? [] : [noticeOf(security.deletion, 'data', { time: formatTime(deletionAt) })]),
    ...(phoneRefused === undefined ? [] : [noticeOf(security.phoneRefused, 'account')]),
    ...requests.map(({ deviceName, createdAt }) =>
      noticeOf(security.request, 'devices', { name: deviceName, time: formatTime(createdAt) }),
    ),
    ...devices
      .filter(({ current, createdAt }) => !current && ageOf(createdAt) < recentMs)
      .map(({ name, createdAt }) => noticeOf(security.newDevice, 'devices', { name, time: formatTime(createdAt) })),
    ...devices
      .filter(({ current, lastSeenAt }) => !current && ageOf(lastSeenAt) > idleMs)
      .map(({ name, lastSeenAt }) => noticeOf(security.idleDevice, 'devices', { name, time: formatTime(lastSeenAt) })),
    ...sessions
      .filter(({ isCurrent, createdAt }) => !isCurrent && ageOf(createdAt) < recentMs)
      .map(({ ip, createdAt }) => noticeOf(security.newSession, 'sessions', { ip, time: formatTime(createdAt) })),
  ];
}

function noticeOf(text: string, route: RouteName, values: Record<string, string> = {}): Notice {
  return { text: fill(text, values), route };
}

customElements.define('vyry-security', Security);
