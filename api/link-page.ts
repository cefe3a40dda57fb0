/** The page behind the address of a QR code, for those who open it in a browser. */

/** A page without scripts, so that the fragment of its address stays in the browser. It changes nothing. */
export const linkPage = {
  path: '/app/link',
  contentSecurityPolicy: "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Link a device</title></head><body><main>
<h1>Link a device</h1>
<p>This address is for the app. Open the app on a device that you have, choose to link a device, and scan the code there.</p>
<p>Opening it here has done nothing. If somebody sent you this code, do not scan it: a linked device reads and sends all your messages.</p>
</main></body></html>
`,
};
