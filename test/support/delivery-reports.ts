/** Delivery reports as the provider fakes posted them. */
import type { TriedReport } from '../../engines/fakes/delivery-reports.ts';
import type { Behind } from './registrations.ts';

/** Returns every delivery attempt of reports whose URL begins with `url`, oldest first. */
export async function reportsTo(outboxUrl: string, url: string): Promise<TriedReport[]> {
  const tried = (await (await fetch(`${outboxUrl}/delivery-reports`)).json()) as TriedReport[];
  return tried.filter((report) => report.url.startsWith(url));
}

/** Posts a delivery report, unchanged or modified. */
export async function postReport({ url, headers, body }: Pick<TriedReport, 'url' | 'headers' | 'body'>) {
  const response = await fetch(url, { method: 'POST', headers, body });
  return { status: response.status, text: await response.text() };
}

/** A delivery report in the audit log. */
export interface ReportEvent {
  status: string;
  event: { reason?: string };
  error?: { code?: string };
  vyry: { otp: { channel: string; send: number }; messaging: { provider: string; country?: string } };
}

/** Returns the delivery reports of a registration from the audit log. */
export async function reportEventsOf({ redis }: Behind, registrationId: string): Promise<ReportEvent[]> {
  const entries = await redis.xrange('audit', '-', '+');
  return entries
    .map(([, fields]) => JSON.parse(fields[1] ?? '{}'))
    .filter(({ action, vyry }) => action === 'delivery-report' && vyry.registration.id === registrationId);
}
