/**
 * The active faults of the fakes, by channel and, when given, by provider.
 */
import { z } from 'zod';
import { pause } from '../../platform/lifecycle.ts';

/** The channels by which a message leaves the system. */
export const channels = ['sms', 'voice', 'email', 'push'] as const;
/** One of the channels. */
export type Channel = (typeof channels)[number];

/** The captcha providers whose verify call has a fake. */
export const captchaProviders = ['hcaptcha', 'turnstile', 'recaptcha'] as const;
/** One of these providers. */
export type CaptchaProvider = (typeof captchaProviders)[number];

type FaultChannel = Channel | 'captcha' | 'signal';

const commonModes = ['none', 'slow', 'hold', 'error500', 'error400', 'accept-then-drop'] as const;
const reportModes = [
  'duplicate-report',
  'report-undelivered',
  'report-none',
  'report-out-of-order',
  'report-delayed',
] as const;
const modes = [...commonModes, ...reportModes, 'html', 'empty'] as const;
type Mode = (typeof modes)[number];

const modesOf: Record<FaultChannel, readonly Mode[]> = {
  sms: [...commonModes, ...reportModes],
  voice: [...commonModes, ...reportModes],
  email: commonModes,
  push: commonModes,
  captcha: [...commonModes, 'html', 'empty'],
  signal: commonModes,
};

const providersOf: Record<FaultChannel, readonly string[]> = {
  sms: ['twilio', 'infobip'],
  voice: ['twilio'],
  email: ['smtp', 'resend', 'sendgrid'],
  push: ['webpush', 'fcm', 'apns'],
  captcha: captchaProviders,
  signal: ['signal-server'],
};

/** The channels of faults, each with its providers and the modes that they support. */
export const faultChoices = (Object.keys(modesOf) as FaultChannel[]).map((channel) => ({
  channel,
  providers: providersOf[channel],
  modes: modesOf[channel],
}));

const providerCodes: Record<FaultChannel, RegExp> = {
  sms: /^([1-9]\d{4}|[A-Z_]{1,64})$/,
  voice: /^[1-9]\d{4}$/,
  email: /^[45]\.\d{1,3}\.\d{1,3}$/,
  push: /^[\w-]{1,64}$/,
  captcha: /^[a-z-]{1,64}$/,
  signal: /^[3-5]\d\d$/,
};

/** The body of `PUT /faults`: a mode for a channel, refused when that channel or its providers do not support it. */
export const faultSchema = z
  .strictObject({
    channel: z.enum([...channels, 'captcha', 'signal']),
    provider: z.string().optional(),
    mode: z.enum(modes),
    seconds: z.number().positive().max(86_400).optional(),
    providerCode: z.union([z.string(), z.number()]).transform(String).optional(),
  })
  .superRefine((fault, check) => {
    const { channel, provider, mode, providerCode } = fault;
    const refuse = (path: string, message: string) => check.addIssue({ code: 'custom', path: [path], message });
    if (!modesOf[channel].includes(mode)) refuse('mode', `${channel} has ${modesOf[channel].join(', ')}`);
    if (provider !== undefined && !providersOf[channel].includes(provider))
      refuse('provider', `${channel} has ${providersOf[channel].join(', ')}`);
    if (providerCode !== undefined && !providerCodes[channel].test(providerCode))
      refuse('providerCode', `not a code of a provider of ${channel}`);
  });

type FaultSetting = z.output<typeof faultSchema>;

/**
 * An active fault. For `slow` and `report-delayed`, `seconds` is the delay of each answer or delivery report; `until`
 * is the time when another mode ends. `hold` holds every answer until the fault is replaced or cleared; `held` counts
 * the answers that are held now.
 */
export interface Fault {
  channel: FaultChannel;
  provider?: string;
  mode: Exclude<Mode, 'none'>;
  seconds?: number;
  providerCode?: string;
  until?: string;
  held?: number;
}

/** The set of active faults. */
export interface Faults {
  /**
   * Activates a fault. It replaces the provider's own or, without a provider, every fault of the channel; `none` only
   * clears them.
   */
  set(setting: FaultSetting): void;
  /** Returns the active faults. */
  list(): Fault[];
  /** Returns the active fault of a provider: its own, else the one of its whole channel. */
  find(channel: FaultChannel, provider: string): Fault | undefined;
  /** Clears every fault; returns whether one was set since the last call. */
  clear(): boolean;
  /** Waits as long as a fault delays an answer. @throws {Error} the signal aborted first */
  delay(fault: Fault | undefined, signal: AbortSignal): Promise<void>;
}

/** Creates the set without active faults. */
export function createFaults(): Faults {
  let faults: Fault[] = [];
  let wasSet = false;
  const releases = new Map<Fault, PromiseWithResolvers<void>>();

  /** Waits until the fault is gone. */
  async function hold(fault: Fault, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const release = releases.get(fault) ?? Promise.withResolvers<void>();
    releases.set(fault, release);
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    fault.held = (fault.held ?? 0) + 1;
    try {
      await Promise.race([release.promise, aborted.promise]);
    } finally {
      fault.held -= 1;
      signal.removeEventListener('abort', abort);
    }
  }

  function release(ended: readonly Fault[]): void {
    for (const fault of ended) {
      releases.get(fault)?.resolve();
      releases.delete(fault);
    }
  }

  const list = () => {
    const now = new Date().toISOString();
    faults = faults.filter((fault) => fault.until === undefined || fault.until > now);
    return faults;
  };
  return {
    set(setting) {
      const { channel, provider, mode } = setting;
      const isReplaced = (fault: Fault) =>
        fault.channel === channel && (provider === undefined || fault.provider === provider);
      const replaced = faults.filter(isReplaced);
      faults = faults.filter((fault) => !isReplaced(fault));
      release(replaced);
      if (mode === 'none') return;
      wasSet = true;
      faults.push(toFault({ ...setting, mode }));
    },
    list,
    clear() {
      const were = wasSet;
      release(faults);
      faults = [];
      wasSet = false;
      return were;
    },
    async delay(fault, signal) {
      if (fault?.mode === 'slow') await pause((fault.seconds ?? 0) * 1000, signal);
      if (fault?.mode === 'hold') await hold(fault, signal);
      signal.throwIfAborted();
    },
    find(channel, provider) {
      const ofChannel = list().filter((fault) => fault.channel === channel);
      return (
        ofChannel.find((fault) => fault.provider === provider) ??
        ofChannel.find((fault) => fault.provider === undefined)
      );
    },
  };
}

function toFault(setting: FaultSetting & { mode: Fault['mode'] }): Fault {
  const { channel, provider, mode, seconds, providerCode } = setting;
  const fault: Fault = { channel, mode, ...(mode === 'hold' && { held: 0 }) };
  if (provider !== undefined) fault.provider = provider;
  if (providerCode !== undefined) fault.providerCode = providerCode;
  if (mode === 'slow' || mode === 'report-delayed') return { ...fault, seconds: seconds ?? 30 };
  if (seconds === undefined) return fault;
  return { ...fault, seconds, until: new Date(Date.now() + seconds * 1000).toISOString() };
}
