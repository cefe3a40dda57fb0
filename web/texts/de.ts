import type { Texts } from '../texts.ts';
import { germanAccount } from './de-account.ts';
import { germanMessages } from './de-messages.ts';

/** German. */
export const german: Texts = {
  ...germanAccount,
  ...germanMessages,
  frame: {
    skip: 'Zum Inhalt springen',
    navigation: 'Hauptnavigation',
    language: 'Sprache',
    openElsewhere: 'Woanders geöffnet',
    openElsewhereHint:
      'Vyry ist in einem anderen Tab oder Fenster dieses Browsers geöffnet. Machen Sie dort weiter, oder schließen Sie es und versuchen Sie es hier noch einmal.',
    tryAgain: 'Noch einmal versuchen',
  },
  titles: {
    chats: 'Unterhaltungen',
    chat: 'Unterhaltung',
    safety: 'Sicherheitsnummer',
    devices: 'Geräte',
    link: 'Dieses Gerät verknüpfen',
    'link-device': 'Gerät verknüpfen',
    people: 'Neue Unterhaltung',
    register: 'Registrieren',
    recover: 'Passwort vergessen',
    'not-me': 'Das war ich nicht',
    'link-opened': 'Ein Gerät verknüpfen',
    account: 'Konto',
    password: 'Passwort und PIN',
    data: 'Ihre Daten',
    sessions: 'Sitzungen',
    security: 'Sicherheit',
    'sign-in': 'Anmelden',
  },
  problems: {
    INVALID_REQUEST: 'Etwas im Formular ist nicht gültig. Berichtigen Sie es und senden Sie es noch einmal.',
    INVALID_OTP: 'Der Code ist falsch. Prüfen Sie ihn und geben Sie ihn noch einmal ein.',
    UNAUTHORIZED: 'Der Name oder das Passwort ist falsch.',
    INVALID_TOKEN:
      'Die Sitzung oder der Link ist nicht mehr gültig. Melden Sie sich neu an, oder fordern Sie einen neuen Link an.',
    SIGNED_OUT: 'Sie sind abgemeldet. Melden Sie sich neu an.',
    FORBIDDEN: 'Das ist Ihrem Konto nicht erlaubt.',
    NOT_FOUND: 'Das gibt es nicht mehr. Laden Sie die Seite neu, um zu sehen, was es gibt.',
    CONFLICT:
      'Das geht gerade nicht, weil sich etwas geändert hat. Sehen Sie den Stand an und versuchen Sie es noch einmal.',
    GONE: 'Das ist abgelaufen. Fangen Sie von vorn an.',
    DEVICE_LIMIT: 'Das Konto hat so viele Geräte, wie es haben darf. Entfernen Sie zuerst eines.',
    REGISTRATION_LOCKED:
      'Es gibt schon ein Konto. Geben Sie dessen PIN ein, oder bestätigen Sie mit einem seiner Geräte.',
    RATE_LIMITED: 'Zu viele Versuche.',
    PROVIDER_REFUSED: 'Der Anbieter stellt auf diesem Weg nicht zu. Wählen Sie einen anderen.',
    INTERNAL_ERROR:
      'Bei uns ist etwas schiefgegangen. Versuchen Sie es noch einmal; wenn es wieder geschieht, sagen Sie es Ihrem Administrator.',
    UNAVAILABLE: 'Der Dienst ist gerade nicht verfügbar. Versuchen Sie es in ein paar Sekunden noch einmal.',
    UNREACHABLE: 'Der Server ist nicht erreichbar. Prüfen Sie Ihre Verbindung und versuchen Sie es noch einmal.',
    LINK_ENDED: 'Die Anfrage wurde abgelehnt oder ist abgelaufen. Fragen Sie noch einmal.',
    LINK_PROVISION: 'Was das andere Gerät gesendet hat, ist nicht zu gebrauchen. Fragen Sie noch einmal.',
    CAPTCHA_UNKNOWN: 'Das Captcha ließ sich nicht lösen. Versuchen Sie es noch einmal.',
    NO_REGISTRATION: 'Es gibt keine Registrierung, die weitergehen könnte. Beginnen Sie eine neue.',
    REGISTRATION_ENDED: 'Die Registrierung ist beendet. Beginnen Sie eine neue.',
    NO_KEYS:
      'Dieser Browser hat noch keine Schlüssel des Kontos. Verknüpfen Sie ihn, oder richten Sie ihn als Gerät ein.',
    SIGNAL_REFUSED: 'Der Signal-Server lehnt es ab. Folgen Sie seinem Rat in der App.',
    STORE_UNSUPPORTED:
      'Dieser Browser kann hier keine Schlüssel aufbewahren. Öffnen Sie die Seite über https in einem aktuellen Browser.',
    STORE_DAMAGED:
      'Was dieser Browser aufbewahrt hat, ist nicht mehr lesbar. Löschen Sie die Daten dieser Seite in den Einstellungen des Browsers, und verknüpfen Sie ihn neu.',
    STORE_FULL: 'Auf diesem Gerät ist kein Platz mehr. Schaffen Sie Platz und versuchen Sie es noch einmal.',
    STORE_FAILED:
      'Dieser Browser konnte die Änderung nicht aufbewahren. Versuchen Sie es noch einmal; wenn es wieder geschieht, starten Sie den Browser neu.',
    attemptsLeft: 'Verbleibende Versuche: {count}',
    retryAt: 'Wieder möglich um {time}',
    reference: 'Kennung für Ihren Administrator: {requestId}',
  },
};
