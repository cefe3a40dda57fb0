/**
 * Judges permanent refusals of a mail server: whether they are about the recipient, or about us and so about no recipient. By
 * the command that was refused and the enhanced status code (RFC 3463); the reply code alone says neither.
 */

/** A refusal, as the client of SMTP reports it. */
export interface SmtpRefusal {
  /** The reply code, RFC 5321 section 4.2. */
  responseCode?: number;
  /** The reply, with its codes. */
  response?: string;
  /** The command that was refused, such as `RCPT TO`; `DATA` for the message itself. */
  command?: string;
}

/**
 * Enhanced codes about the recipient, RFC 3463 sections 3.2 and 3.3, RFC 7505 section 4.1: of all addressing codes but those
 * of the sender (5.1.7, 5.1.8), and of all mailbox codes but that of a message that is too long (5.2.3).
 */
const recipientCodes = /^5\.(1\.(?![789]$)\d+|2\.(?!3$)\d+)$/;

/**
 * Codes that say it of the recipient when RCPT TO is refused: no answer from the host and no route to it. Exchange Online has
 * the first for addresses that do not exist.
 */
const routeCodes = /^5\.4\.[14]$/;

/** Reply codes about the mailbox of RCPT TO, RFC 5321 section 4.2.3; 554 and 555 are about the transaction. */
const mailboxReplies: readonly (number | undefined)[] = [550, 551, 552, 553];

/** Returns the enhanced status code of a reply, if it has one. RFC 2034 section 4 */
export function enhancedCodeOf({ response = '' }: SmtpRefusal): string | undefined {
  return /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})(?!\S)/.exec(response)?.[1];
}

/**
 * Returns whether a refusal is permanent and about the recipient. What is refused at MAIL FROM never is: the server does not
 * know the recipient yet.
 */
export function isAboutRecipient(refusal: SmtpRefusal): boolean {
  const { responseCode = 0, command } = refusal;
  if (responseCode < 500 || (command !== 'RCPT TO' && command !== 'DATA')) return false;
  const code = enhancedCodeOf(refusal);
  if (command === 'DATA') return code !== undefined && recipientCodes.test(code);
  if (code === undefined) return mailboxReplies.includes(responseCode);
  return recipientCodes.test(code) || routeCodes.test(code);
}
