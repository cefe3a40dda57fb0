/**
 * The delivery reports of the fakes: posted to the address that came with a message, as its provider does, with the
 * faults of that provider. `GET /delivery-reports` lists every attempt.
 */
import { pause } from '../../platform/lifecycle.ts';
import type { Fault } from './faults.ts';

/** Stages of a message, in the order of a successful delivery. */
export type Stage = 'sent' | 'delivered' | 'undelivered';

/** A request to the address of a delivery report. */
export interface ReportRequest {
  headers: Record<string, string>;
  body: string;
}

/** One attempt to post a report; `status` is absent while it runs, null when there was no answer. */
export interface TriedReport extends ReportRequest {
  provider: string;
  stage: Stage;
  url: string;
  status?: number | null;
}

/** A message that was sent with an address for its delivery reports. */
interface ToldMessage {
  provider: string;
  /** The fault of the provider when the message was sent. */
  fault: Fault | undefined;
  url: string | null;
  /** Returns the request for a stage; undefined where the provider does not report it. */
  requestOf: (stage: Stage) => ReportRequest | undefined;
  /** Returns whether the provider retries after a status; null when there was no answer. */
  isRepeated: (status: number | null, tries: number) => boolean;
}

/** The sender of delivery reports. */
export interface DeliveryReports {
  /** Posts the reports of a message; resolves when all are posted. */
  tell(message: ToldMessage): Promise<void>;
  /** Returns every attempt, the oldest first. */
  list(): TriedReport[];
  /** Forgets all attempts so far. */
  clear(): void;
}

const repeatMs = 500;
/** The time that Twilio waits for a webhook. */
const answerMs = 15_000;

/**
 * Creates a sender; `closing` aborts the requests in progress. It posts to loopback addresses only.
 *
 * @param timeoutMs longest wait for an answer; the time that Twilio waits by default
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

/** Returns whether an address is on this machine. */
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
