/**
 * The delivery reports of the fakes: posted to the address that came with a message, as its provider would and as
 * the faults of that provider say. `GET /delivery reports` shows each try.
 */
import { pause } from '../../platform/lifecycle.ts';
import type { Fault } from './faults.ts';

/** Stages of a message, in the order of a good end. */
export type Stage = 'sent' | 'delivered' | 'undelivered';

/** A request to the address of a delivery report. */
export interface ReportRequest {
  headers: Record<string, string>;
  body: string;
}

/** One try to tell; `status` is absent while it is open, null when there was no answer. */
export interface TriedReport extends ReportRequest {
  provider: string;
  stage: Stage;
  url: string;
  status?: number | null;
}

/** A message whose provider was given an address. */
export interface ToldMessage {
  provider: string;
  /** Of the provider when the message was sent. */
  fault: Fault | undefined;
  url: string | null;
  /** The request of a stage; undefined where the provider does not tell it. */
  requestOf: (stage: Stage) => ReportRequest | undefined;
  /** Whether the provider repeats after an answer, or null for none. */
  isRepeated: (status: number | null, tries: number) => boolean;
}

/** The sender of delivery reports. */
export interface DeliveryReports {
  /** Resolves when everything is told. */
  tell(message: ToldMessage): Promise<void>;
  /** Every try, oldest first. */
  list(): TriedReport[];
  /** Forgets every try so far. */
  clear(): void;
}

const repeatMs = 500;
/** As long as Twilio waits for a webhook. */
const answerMs = 15_000;

/**
 * Makes a sender; `closing` ends what is under way. Nobody but this machine is told.
 *
 * @param timeoutMs longest wait for an answer; as long as Twilio waits without it
 */
export function createDeliveryReports(closing: AbortSignal, timeoutMs = answerMs): DeliveryReports {
  const tried: TriedReport[] = [];

  async function post(report: TriedReport): Promise<number | null> {
    tried.push(report);
    const { url, headers, body } = report;
    const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
    const res = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal }).catch(() => null);
    await res?.body?.cancel();
    report.status = res?.status ?? null;
    return report.status;
  }

  async function postUntilTaken(report: TriedReport, isRepeated: ToldMessage['isRepeated']): Promise<void> {
    for (let tries = 1; !closing.aborted; tries++) {
      if (!isRepeated(await post({ ...report }), tries)) return;
      await pause(repeatMs, closing);
    }
  }

  return {
    async tell({ provider, fault, url, requestOf, isRepeated }) {
      if (url === null || !isLoopback(url)) return;
      if (fault?.mode === 'report-delayed') await pause((fault.seconds ?? 0) * 1000, closing);
      for (const stage of stagesUnder(fault)) {
        const request = requestOf(stage);
        if (request !== undefined) await postUntilTaken({ provider, stage, url, ...request }, isRepeated);
      }
    },
    list: () => tried,
    clear: () => void tried.splice(0),
  };
}

/** Tells whether an address is on this machine. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

function stagesUnder(fault: Fault | undefined): Stage[] {
  switch (fault?.mode) {
    case 'report-none':
      return [];
    case 'report-undelivered':
      return ['sent', 'undelivered'];
    case 'report-out-of-order':
      return ['delivered', 'sent', 'undelivered'];
    case 'duplicate-report':
      return ['sent', 'delivered', 'delivered'];
    default:
      return ['sent', 'delivered'];
  }
}
