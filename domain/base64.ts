/** Base64 as all text forms of bytes are read: strictly. */

/** Returns the bytes of padded base64, or undefined if it is malformed or not canonical (RFC 4648 section 3.5). */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(text);
    if (btoa(binary) !== text) return undefined;
    const bytes = new Uint8Array(binary.length);
    // thirty times as fast as a callback for each character: an upload has 160 kB of keys
    for (let index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index);
    return bytes;
  } catch {
    return undefined;
  }
}
