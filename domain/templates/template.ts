/** What a language has to say: a file that lacks a text does not compile. */

/** Texts of one kind of e-mail. */
export interface MailTexts {
  subject: string;
  /** Paragraphs, in order. */
  body: readonly string[];
}

/**
 * Every text of one language. Placeholders: `{code}`, `{product}`, `{minutes}`, `{link}`, `{stopLink}`, `{when}`, `{client}`;
 * nothing a person wrote is ever put in.
 */
export interface Templates {
  /** BCP 47. */
  tag: string;
  direction: 'ltr' | 'rtl';
  /** One SMS segment with a code of six digits and the line for Android. */
  codeSms: string;
  /** Undefined where no voice speaks the language: the call is in English. */
  call?: {
    /** `language` and `voice` of TwiML's Say. https://www.twilio.com/docs/voice/twiml/say/text-speech */
    language: string;
    voice?: string;
    /** Said until a key is pressed, so that no answering machine hears the code. */
    pressKey: string;
    /** Said before the digits. */
    yourCodeIs: string;
  };
  codeMail: MailTexts;
  welcomeMail: MailTexts;
  newDeviceMail: MailTexts;
  passwordChangedMail: MailTexts;
  pinChangedMail: MailTexts;
  /** Goes to the number or address that was replaced, and to the other one. */
  contactChangedMail: MailTexts;
  deletionPlannedMail: MailTexts;
  accountDeletedMail: MailTexts;
  sessionStolenMail: MailTexts;
  /** Goes where the message of the recovery does not. */
  recoveryAskedMail: MailTexts;
  /** With `{link}` and `{stopLink}`. */
  recoveryMail: MailTexts;
  /** With `{link}`; more than one segment. */
  recoverySms: string;
  /** With `{when}`, `{client}` and `{stopLink}`. */
  numberRegisteredMail: MailTexts;
}
