/** QR codes as SVG, without styles of their own: dark on light in every colour scheme, as scanners expect. */
import { html, type TemplateResult } from 'lit-html';
import { encode } from 'uqr';

/** Modules of the quiet zone (ISO/IEC 18004 section 9.1). */
const quietZone = 4;

/** Returns a QR code as a picture with a description. */
export function qrCode(text: string, description: string): TemplateResult {
  const { size, path } = qrPath(text);
  return html`<svg class="qr" viewBox="0 0 ${size} ${size}" role="img" aria-label=${description} shape-rendering="crispEdges">
    <rect width=${size} height=${size} fill="#fff"></rect>
    <path d=${path} fill="#000"></path>
  </svg>`;
}

/** Returns the dark modules as one path: a run of a row is one rectangle. */
export function qrPath(text: string): { size: number; path: string } {
  const { data, size } = encode(text, { ecc: 'M', border: quietZone });
  const runs = data.flatMap((row, y) => runsOf(row).map(({ x, width }) => `M${x} ${y}h${width}v1h-${width}z`));
  return { size, path: runs.join('') };
}

function runsOf(row: readonly boolean[]): { x: number; width: number }[] {
  const runs: { x: number; width: number }[] = [];
  for (let x = 0; x < row.length; x += 1) {
    if (!row[x]) continue;
    const last = runs.at(-1);
    if (last && last.x + last.width === x) last.width += 1;
    else runs.push({ x, width: 1 });
  }
  return runs;
}
