/** The texts that a language must provide. A language with a missing text does not compile. */

/** The texts of one e-mail. */
export interface MailTexts {
  subject: string;
  /** Paragraphs, in order. */
  body: readonly string[];
}

/**
 * All texts of one language. Placeholders: `{code}`, `{product}`, `{minutes}`, `{link}`, `{stopLink}`, `{when}`,
 * `{client}`. They are never filled with user input.
 */
export interface Templates {
  /** Language tag, BCP 47. */
  tag: string;
  direction: 'ltr' | 'rtl';
  /** Fits one SMS segment with a six-digit code and the app hash for Android. */
  codeSms: string;
  /** Undefined when no voice supports the language: the call is in English. */
  call?: {
    /** `language` and `voice` of TwiML's Say. https://www.twilio.com/docs/voice/twiml/say/text-speech */
    language: string;
    voice?: string;
    /** Repeated until a key is pressed, so that no answering machine records the code. */
    pressKey: string;
    /** Spoken before the digits. */
    yourCodeIs: string;
  };
  codeMail: MailTexts;
  welcomeMail: MailTexts;
  newDeviceMail: MailTexts;
  passwordChangedMail: MailTexts;
  pinChangedMail: MailTexts;
  /** Sent to the number or address that was replaced, and to the user's other one. */
  contactChangedMail: MailTexts;
  /** To both owners, when the directory moved a user name, number or address from one account to another. */
  identityTransferredMail: MailTexts;
  deletionPlannedMail: MailTexts;
  accountDeletedMail: MailTexts;
  sessionStolenMail: MailTexts;
  /** A registration with the identity of the account asks its devices. */
  deviceLinkRequestedMail: MailTexts;
  /** Sent by the channels that the recovery message does not use. */
  recoveryAskedMail: MailTexts;
  deviceAddedMail: MailTexts;
  deviceRemovedMail: MailTexts;
  /** A linked device was not used for long, and will get no more messages. */
  deviceIdleMail: MailTexts;
  identityKeyChangedMail: MailTexts;
  /** With `{link}` and `{stopLink}`. */
  recoveryMail: MailTexts;
  /** With `{link}`; may take more than one segment. */
  recoverySms: string;
  /** With `{when}`, `{client}` and `{stopLink}`. */
  numberRegisteredMail: MailTexts;
}
