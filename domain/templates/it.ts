import type { Templates } from './template.ts';

/** Italian. */
export const italian: Templates = {
  tag: 'it',
  direction: 'ltr',
  codeSms: '{code} è il tuo codice di verifica {product}. Vale {minutes} min. Non condividerlo.',
  call: {
    language: 'it-IT',
    pressKey: 'Qui {product}. Premi un tasto qualsiasi per ascoltare il tuo codice di verifica.',
    yourCodeIs: 'Il tuo codice è:',
  },
  codeMail: {
    subject: 'Il tuo codice di verifica {product}',
    body: [
      'Il tuo codice di verifica è {code}.',
      'Vale {minutes} minuti. Non condividerlo con nessuno, chiunque lo chieda.',
      'Se non lo hai chiesto, ignora questo messaggio.',
    ],
  },
  welcomeMail: {
    subject: 'Ti diamo il benvenuto in {product}',
    body: ['Il tuo account {product} è pronto.', 'Ora puoi accedere dai tuoi dispositivi.'],
  },
  newDeviceMail: {
    subject: 'Nuovo dispositivo su {product}',
    body: [
      'Un nuovo dispositivo è entrato nel tuo account {product}.',
      'Se non sei stato tu, rimuovi il dispositivo e cambia subito la password.',
    ],
  },
  passwordChangedMail: {
    subject: 'La tua password {product} è stata cambiata',
    body: [
      'La password del tuo account {product} è stata cambiata.',
      'Se non sei stato tu, avvisa subito il tuo amministratore.',
    ],
  },
  pinChangedMail: {
    subject: 'Il tuo PIN {product} è stato modificato',
    body: [
      'Il PIN del tuo account {product} è stato modificato.',
      'Se non sei stato tu, contatta subito il tuo amministratore.',
    ],
  },
  contactChangedMail: {
    subject: 'Il tuo numero o indirizzo {product} è stato modificato',
    body: [
      'Il numero di telefono o l’indirizzo e-mail del tuo account {product} è stato modificato.',
      'Se non sei stato tu, contatta subito il tuo amministratore.',
    ],
  },
  identityTransferredMail: {
    subject: 'I contatti di un account {product} sono stati spostati',
    body: [
      'La tua organizzazione ha assegnato un nome utente, un numero di telefono o un indirizzo e-mail di un account {product} a un altro. Uno dei due è il tuo.',
      'Se non te lo aspettavi, contatta il tuo amministratore.',
    ],
  },
  deletionPlannedMail: {
    subject: 'Il tuo account {product} sarà eliminato',
    body: [
      'Qualcuno ha chiesto di eliminare il tuo account {product}. Sarà eliminato con tutto il suo contenuto.',
      'Se non sei stato tu, accedi, ferma l’eliminazione e cambia subito la password.',
    ],
  },
  accountDeletedMail: {
    subject: 'Il tuo account {product} è stato eliminato',
    body: ['Il tuo account {product} è stato eliminato con tutto il suo contenuto.'],
  },
  sessionStolenMail: {
    subject: 'Sessione {product} chiusa: forse è stata rubata',
    body: [
      'Una sessione del tuo account {product} è stata usata in due posti ed è stata chiusa.',
      'Accedi di nuovo e cambia subito la password.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'Un nuovo dispositivo chiede il tuo account {product}',
    body: [
      'Qualcuno ha dimostrato di avere il tuo numero o indirizzo e chiede il tuo account {product} su un nuovo dispositivo.',
      'Ai tuoi dispositivi è stata chiesta l’approvazione. Se non sei stato tu, rifiutala da lì.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Qualcuno ha chiesto una nuova password {product}',
    body: [
      'Qualcuno ha chiesto di reimpostare la password del tuo account {product}.',
      'Se non sei stato tu, la nostra e-mail spiega come fermarlo.',
    ],
  },
  deviceAddedMail: {
    subject: 'Dispositivo aggiunto a {product}',
    body: [
      'Un dispositivo è stato aggiunto al tuo account {product}. Legge e invia i tuoi messaggi.',
      'Se non sei stato tu, rimuovi il dispositivo e cambia subito la password.',
    ],
  },
  deviceRemovedMail: {
    subject: 'Dispositivo rimosso da {product}',
    body: [
      'Un dispositivo è stato rimosso dal tuo account {product}.',
      'Se non sei stato tu, avvisa subito il tuo amministratore.',
    ],
  },
  deviceIdleMail: {
    subject: 'Un dispositivo di {product} non viene usato',
    body: [
      'Un dispositivo collegato al tuo account {product} non viene usato da molto tempo. Presto non riceverà più messaggi.',
      'Apri l’app su quel dispositivo se vuoi tenerlo. Altrimenti rimuovilo.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'La tua chiave di identità {product} è cambiata',
    body: [
      'La chiave di identità del tuo account {product} è cambiata. I tuoi contatti lo vedono.',
      'Se non sei stato tu, avvisa subito il tuo amministratore.',
    ],
  },
  recoveryMail: {
    subject: 'Reimposta la tua password {product}',
    body: [
      'Qualcuno ha chiesto di reimpostare la password del tuo account {product}.',
      'Scegline una nuova entro {minutes} minuti: {link}',
      'Se non sei stato tu, blocca la richiesta qui: {stopLink}',
    ],
  },
  recoverySms: 'Reimposta la tua password {product} entro {minutes} min: {link}',
  numberRegisteredMail: {
    subject: 'Qualcuno registra il tuo numero su {product}',
    body: [
      'Qualcuno ha chiesto di registrare il tuo numero su {product}.',
      'Se non sei tu, non condividere alcun codice. Il tuo account resta tuo.',
      'Ora (UTC): {when}. App: {client}.',
      'Se non sei tu, blocca la registrazione qui: {stopLink}',
    ],
  },
};
