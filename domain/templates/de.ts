import type { Templates } from './template.ts';

/** German. */
export const german: Templates = {
  tag: 'de',
  direction: 'ltr',
  codeSms: '{code} ist Ihr Bestätigungscode für {product}. Er gilt {minutes} Min. Geben Sie ihn nicht weiter.',
  call: {
    language: 'de-DE',
    pressKey: 'Hier ist {product}. Drücken Sie eine beliebige Taste, um Ihren Bestätigungscode zu hören.',
    yourCodeIs: 'Ihr Code lautet:',
  },
  codeMail: {
    subject: 'Ihr Bestätigungscode für {product}',
    body: [
      'Ihr Bestätigungscode lautet {code}.',
      'Er gilt {minutes} Minuten. Geben Sie ihn an niemanden weiter, egal wer danach fragt.',
      'Wenn Sie ihn nicht angefordert haben, ignorieren Sie diese Nachricht.',
    ],
  },
  welcomeMail: {
    subject: 'Willkommen bei {product}',
    body: ['Ihr Konto bei {product} ist bereit.', 'Sie können sich jetzt auf Ihren Geräten anmelden.'],
  },
  newDeviceMail: {
    subject: 'Neues Gerät bei {product} angemeldet',
    body: [
      'Ein neues Gerät wurde mit Ihrem Konto bei {product} angemeldet.',
      'Wenn Sie das nicht waren, entfernen Sie das Gerät und ändern Sie jetzt Ihr Passwort.',
    ],
  },
  passwordChangedMail: {
    subject: 'Ihr Passwort für {product} wurde geändert',
    body: [
      'Das Passwort Ihres Kontos bei {product} wurde geändert.',
      'Wenn Sie das nicht waren, wenden Sie sich sofort an Ihre Administration.',
    ],
  },
  pinChangedMail: {
    subject: 'Ihre PIN für {product} wurde geändert',
    body: [
      'Die PIN Ihres Kontos bei {product} wurde geändert.',
      'Wenn Sie das nicht waren, wenden Sie sich sofort an Ihre Administration.',
    ],
  },
  contactChangedMail: {
    subject: 'Ihre Nummer oder Adresse bei {product} wurde geändert',
    body: [
      'Die Telefonnummer oder E-Mail-Adresse Ihres Kontos bei {product} wurde geändert.',
      'Wenn Sie das nicht waren, wenden Sie sich sofort an Ihre Administration.',
    ],
  },
  identityTransferredMail: {
    subject: 'Kontaktdaten eines {product}-Kontos wurden verschoben',
    body: [
      'Ihre Organisation hat einen Benutzernamen, eine Telefonnummer oder eine E-Mail-Adresse eines Kontos bei {product} einem anderen gegeben. Eines der beiden ist Ihres.',
      'Wenn Sie das nicht erwartet haben, wenden Sie sich an Ihre Administration.',
    ],
  },
  deletionPlannedMail: {
    subject: 'Ihr Konto bei {product} wird gelöscht',
    body: [
      'Jemand möchte Ihr Konto bei {product} löschen. Es wird mit allem gelöscht, was dazu gehört.',
      'Wenn Sie das nicht waren, melden Sie sich an, halten Sie die Löschung an und ändern Sie jetzt Ihr Passwort.',
    ],
  },
  accountDeletedMail: {
    subject: 'Ihr Konto bei {product} wurde gelöscht',
    body: ['Ihr Konto bei {product} wurde mit allem gelöscht, was dazu gehört.'],
  },
  sessionStolenMail: {
    subject: 'Sitzung bei {product} beendet: vielleicht gestohlen',
    body: [
      'Eine Sitzung Ihres Kontos bei {product} wurde an zwei Orten benutzt und beendet.',
      'Melden Sie sich neu an und ändern Sie jetzt Ihr Passwort.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'Ein neues Gerät fragt nach Ihrem Konto bei {product}',
    body: [
      'Jemand hat Ihre Telefonnummer oder E-Mail-Adresse nachgewiesen und möchte Ihr Konto bei {product} auf einem neuen Gerät.',
      'Ihre Geräte wurden um Zustimmung gebeten. Wenn Sie das nicht waren, lehnen Sie dort ab.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Jemand möchte ein neues Passwort für {product}',
    body: [
      'Jemand möchte das Passwort Ihres Kontos bei {product} zurücksetzen.',
      'Wenn Sie das nicht waren: In unserer E-Mail steht, wie Sie es abbrechen.',
    ],
  },
  deviceAddedMail: {
    subject: 'Gerät zu {product} hinzugefügt',
    body: [
      'Ihrem Konto bei {product} wurde ein Gerät hinzugefügt. Es liest und sendet Ihre Nachrichten.',
      'Wenn Sie das nicht waren, entfernen Sie das Gerät und ändern Sie jetzt Ihr Passwort.',
    ],
  },
  deviceRemovedMail: {
    subject: 'Gerät von {product} entfernt',
    body: [
      'Ein Gerät wurde aus Ihrem Konto bei {product} entfernt.',
      'Wenn Sie das nicht waren, wenden Sie sich sofort an Ihre Administration.',
    ],
  },
  deviceIdleMail: {
    subject: 'Ein Gerät bei {product} wird nicht benutzt',
    body: [
      'Ein verknüpftes Gerät Ihres Kontos bei {product} wurde lange nicht benutzt. Bald erhält es keine Nachrichten mehr.',
      'Öffnen Sie die App auf diesem Gerät, wenn Sie es behalten wollen. Sonst entfernen Sie es.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'Ihr Identitätsschlüssel bei {product} wurde geändert',
    body: [
      'Der Identitätsschlüssel Ihres Kontos bei {product} wurde geändert. Ihre Kontakte sehen das.',
      'Wenn Sie das nicht waren, wenden Sie sich sofort an Ihre Administration.',
    ],
  },
  recoveryMail: {
    subject: 'Passwort für {product} zurücksetzen',
    body: [
      'Jemand möchte das Passwort Ihres Kontos bei {product} zurücksetzen.',
      'Wählen Sie innerhalb von {minutes} Minuten ein neues: {link}',
      'Wenn Sie das nicht waren, brechen Sie es hier ab: {stopLink}',
    ],
  },
  recoverySms: 'Passwort für {product} innerhalb von {minutes} Min. zurücksetzen: {link}',
  numberRegisteredMail: {
    subject: 'Jemand registriert Ihre Nummer bei {product}',
    body: [
      'Jemand möchte Ihre Nummer bei {product} registrieren.',
      'Wenn Sie das nicht sind, geben Sie keinen Code weiter. Ihr Konto bleibt Ihres.',
      'Zeit (UTC): {when}. App: {client}.',
      'Wenn Sie das nicht sind, brechen Sie die Registrierung hier ab: {stopLink}',
    ],
  },
};
