/**
 * Local fakes for the outside providers: Twilio, Infobip, Resend, SendGrid, a mail server, captcha providers, a WebPush
 * service, FCM, APNs and a Signal-Server. They share one outbox, which shows what they accepted, and one set of faults. They speak the vendors' protocols and are
 * not part of the product.
 */
import { z } from 'zod';
import { startApns } from './apns.ts';
import { captchaPaths, createCaptchaRoutes } from './captcha.ts';
import { createDeliveryReports, type DeliveryReports } from './delivery-reports.ts';
import { type CaptchaProvider, channels, createFaults, type Faults, faultSchema } from './faults.ts';
import { createFcmRoutes } from './fcm.ts';
import { createHttpProviderRoutes } from './http-providers.ts';
import { json, type Route, readJson, readQuery, startHttpServer } from './http-server.ts';
import { startMailSink } from './mail-sink.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { renderPage } from './page.ts';
import { pushCertificate, pushCertificateKey } from './push-keys.ts';
import type { RegistrationServiceOptions } from './signal-server/registration-service.ts';
import { createSignalServer } from './signal-server/server.ts';
import { createTwilioRoutes, type TwilioAccount } from './twilio.ts';
import { createWebPush } from './webpush.ts';

/** The captcha secret that is accepted by default. */
export const defaultCaptchaSecret = 'example-only-captcha-secret';

/** Addresses of the fakes and the credentials they accept; port 0, the default, is a free one. */
export interface FakesOptions {
  host?: string;
  port?: number;
  smtpPort?: number;
  webpushPort?: number;
  apnsPort?: number;
  twilio: TwilioAccount;
  captchaSecret?: string;
  /** The registration service of the Signal-Server; a request can name another one later. */
  registrationService?: RegistrationServiceOptions | undefined;
  /** Longest wait for the answer to a delivery report; the time that Twilio waits by default. */
  reportTimeoutMs?: number;
}

/** The running fakes; URLs have no slash at their end. */
export interface Fakes {
  outboxUrl: string;
  /** Base of Twilio's API. */
  twilioUrl: string;
  smtpUrl: string;
  /** Of the WebPush service, whose certificate is `pushCertificate`. */
  webpushUrl: string;
  apnsUrl: string;
  captchaUrls: Record<CaptchaProvider, string>;
  /** Base of the API of the Signal-Server. */
  signalServerUrl: string;
  /**
   * Empties the outbox, the delivery reports and the Signal-Server and clears the faults. Returns whether a fault was set since the last
   * reset.
   */
  reset(): boolean;
  /** Stops the fakes and closes every open connection. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts the fakes with an empty outbox and no faults; everything is in memory. */
export async function startFakes(options: FakesOptions): Promise<Fakes> {
  const { host = '127.0.0.1', captchaSecret = defaultCaptchaSecret } = options;
  const outbox = createOutbox();
  const faults = createFaults();
  const closing = new AbortController();
  const reports = createDeliveryReports(closing.signal, options.reportTimeoutMs);
  const webpush = createWebPush({ outbox, faults, urlOf: () => webpushUrl });
  const signalServer = createSignalServer(faults);
  if (options.registrationService !== undefined) signalServer.connect(options.registrationService);
  const routes = [
    ...outboxRoutes(outbox, faults, reports),
    ...createTwilioRoutes(options.twilio, { outbox, faults, reports, closing: closing.signal }),
    ...createHttpProviderRoutes({ outbox, faults, reports }),
    ...createCaptchaRoutes(captchaSecret, faults),
    ...webpush.routes,
    ...createFcmRoutes({ outbox, faults }),
    ...signalServer.routes,
  ];
  await using open = new AsyncDisposableStack();
  const opened = async <T extends { close(): Promise<void> }>(start: Promise<T>) =>
    open.adopt(await start, (server) => server.close());
  const http = await opened(startHttpServer(routes, { host, port: options.port ?? 0 }));
  const mail = await opened(startMailSink({ outbox, faults }, { host, port: options.smtpPort ?? 0 }));
  const tls = { cert: pushCertificate, key: pushCertificateKey };
  const push = await opened(startHttpServer(webpush.serviceRoutes, { host, port: options.webpushPort ?? 0, tls }));
  const apns = await opened(startApns({ outbox, faults }, { host, port: options.apnsPort ?? 0 }));
  const base = `http://${reachable(host)}:${http.port}`;
  const webpushUrl = `https://${reachable(host)}:${push.port}`;
  const all = open.move();
  const close = async () => {
    closing.abort();
    signalServer.close();
    await all.disposeAsync();
  };
  return {
    outboxUrl: base,
    twilioUrl: base,
    smtpUrl: `smtp://${reachable(host)}:${mail.port}`,
    webpushUrl,
    apnsUrl: `http://${reachable(host)}:${apns.port}`,
    captchaUrls: {
      hcaptcha: base + captchaPaths.hcaptcha,
      turnstile: base + captchaPaths.turnstile,
      recaptcha: base + captchaPaths.recaptcha,
    },
    signalServerUrl: base,
    reset() {
      outbox.clear();
      reports.clear();
      signalServer.clear();
      return faults.clear();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

const messageQuery = z.strictObject({
  // an unencoded plus sign of a number arrives as a blank
  to: z
    .string()
    .transform((to) => to.replace(/^ /, '+'))
    .optional(),
  channel: z.enum(channels).optional(),
  since: z
    .union(
      [
        z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
        z
          .string()
          .regex(/^\d{1,15}$/)
          .transform(Number),
      ],
      'must be an ISO 8601 instant or epoch milliseconds',
    )
    .optional(),
});

function outboxRoutes(outbox: Outbox, faults: Faults, reports: DeliveryReports): Route[] {
  const none = z.strictObject({});
  return [
    { method: 'GET', path: /^\/$/, answer: () => renderPage(outbox.list(), faults.list()) },
    { method: 'GET', path: /^\/messages$/, answer: (call) => json(200, outbox.list(readQuery(call, messageQuery))) },
    {
      method: 'DELETE',
      path: /^\/messages$/,
      answer: (call) => {
        readQuery(call, none);
        outbox.clear();
        return { status: 204, body: '' };
      },
    },
    { method: 'GET', path: /^\/delivery-reports$/, answer: () => json(200, reports.list()) },
    { method: 'GET', path: /^\/faults$/, answer: () => json(200, faults.list()) },
    {
      method: 'PUT',
      path: /^\/faults$/,
      answer: (call) => {
        faults.set(readJson(call, faultSchema));
        return json(200, faults.list());
      },
    },
  ];
}

function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
