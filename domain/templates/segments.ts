/** SMS segmentation: one segment holds 160 septets of the GSM alphabet or 70 UTF-16 units. 3GPP TS 23.038, 23.040. */

const basic = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** Characters that take two septets each. */
const extended = new Set('\f^{}\\[~]|€');

/** The size of a text as an SMS. */
export interface SmsSize {
  alphabet: 'GSM-7' | 'UCS-2';
  /** Septets or UTF-16 units. */
  units: number;
  segments: number;
}

/** Returns the size of a text as an SMS. */
export function smsSize(text: string): SmsSize {
  const septets = [...text].map((character) => (basic.has(character) ? 1 : extended.has(character) ? 2 : Number.NaN));
  const gsm = septets.reduce((sum, cost) => sum + cost, 0);
  const [alphabet, units, alone, inRow] = Number.isNaN(gsm)
    ? (['UCS-2', text.length, 70, 67] as const)
    : (['GSM-7', gsm, 160, 153] as const);
  return { alphabet, units, segments: units <= alone ? 1 : Math.ceil(units / inRow) };
}

/** Returns whether a text fits one segment. */
export function isOneSegment(text: string): boolean {
  return smsSize(text).segments === 1;
}
