/** Delivery receipts as the stand-ins of the providers posted them. */
import type { TriedReceipt } from '../../engines/stand-ins/receipts.ts';
import type { Behind } from './flows.ts';

/** Every try of a receipt whose address begins so, oldest first. */
export async function receiptsTo(outboxUrl: string, url: string): Promise<TriedReceipt[]> {
  const tried = (await (await fetch(`${outboxUrl}/receipts`)).json()) as TriedReceipt[];
  return tried.filter((receipt) => receipt.url.startsWith(url));
}

/** Posts a receipt as it is, or changed. */
export async function postReceipt({ url, headers, body }: Pick<TriedReceipt, 'url' | 'headers' | 'body'>) {
  const response = await fetch(url, { method: 'POST', headers, body });
  return { status: response.status, text: await response.text() };
}

/** A receipt in the audit trail. */
export interface ReceiptEvent {
  status: string;
  event: { reason?: string };
  error?: { code?: string };
  vyry: { otp: { channel: string; send: number }; messaging: { provider: string; country?: string } };
}

/** What the trail says became of the messages of a registration. */
export async function receiptEventsOf({ redis }: Behind, registrationId: string): Promise<ReceiptEvent[]> {
  const entries = await redis.xrange('audit', '-', '+');
  return entries
    .map(([, fields]) => JSON.parse(fields[1] ?? '{}'))
    .filter(({ action, vyry }) => action === 'delivery-receipt' && vyry.registration.id === registrationId);
}
