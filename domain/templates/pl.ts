import type { Templates } from './template.ts';

/** Polish. */
export const polish: Templates = {
  tag: 'pl',
  direction: 'ltr',
  codeSms: '{code} to Twój kod {product}. Nie udostępniaj go.',
  call: {
    language: 'pl-PL',
    pressKey: 'Tu {product}. Naciśnij dowolny klawisz, aby usłyszeć kod weryfikacyjny.',
    yourCodeIs: 'Twój kod to:',
  },
  codeMail: {
    subject: 'Twój kod weryfikacyjny {product}',
    body: [
      'Twój kod weryfikacyjny to {code}.',
      'Jest ważny {minutes} min. Nie podawaj go nikomu, bez względu na to, kto o niego prosi.',
      'Jeśli to nie Ty o niego prosisz, zignoruj tę wiadomość.',
    ],
  },
  welcomeMail: {
    subject: 'Witamy w {product}',
    body: ['Twoje konto {product} jest gotowe.', 'Możesz teraz logować się na swoich urządzeniach.'],
  },
  newDeviceMail: {
    subject: 'Nowe urządzenie w {product}',
    body: [
      'Na Twoje konto {product} zalogowano nowe urządzenie.',
      'Jeśli to nie Ty, usuń urządzenie i zmień teraz hasło.',
    ],
  },
  passwordChangedMail: {
    subject: 'Zmieniono Twoje hasło {product}',
    body: [
      'Zmieniono hasło Twojego konta {product}.',
      'Jeśli to nie Ty, natychmiast skontaktuj się z administratorem.',
    ],
  },
  pinChangedMail: {
    subject: 'Twój kod PIN do {product} został zmieniony',
    body: [
      'Kod PIN Twojego konta {product} został zmieniony.',
      'Jeśli to nie Ty, natychmiast skontaktuj się z administratorem.',
    ],
  },
  contactChangedMail: {
    subject: 'Twój numer lub adres w {product} został zmieniony',
    body: [
      'Numer telefonu lub adres e-mail Twojego konta {product} został zmieniony.',
      'Jeśli to nie Ty, natychmiast skontaktuj się z administratorem.',
    ],
  },
  identityTransferredMail: {
    subject: 'Dane kontaktowe konta {product} zostały przeniesione',
    body: [
      'Twoja organizacja przeniosła nazwę użytkownika, numer telefonu lub adres e-mail z jednego konta {product} na inne. Jedno z nich należy do Ciebie.',
      'Jeśli się tego nie spodziewasz, skontaktuj się z administratorem.',
    ],
  },
  deletionPlannedMail: {
    subject: 'Twoje konto {product} zostanie usunięte',
    body: [
      'Ktoś poprosił o usunięcie Twojego konta {product}. Zostanie usunięte wraz z całą zawartością.',
      'Jeśli to nie Ty, zaloguj się, zatrzymaj usuwanie i natychmiast zmień hasło.',
    ],
  },
  accountDeletedMail: {
    subject: 'Twoje konto {product} zostało usunięte',
    body: ['Twoje konto {product} zostało usunięte wraz z całą zawartością.'],
  },
  sessionStolenMail: {
    subject: 'Zakończono sesję {product}: mogła zostać skradziona',
    body: [
      'Sesja Twojego konta {product} była używana w dwóch miejscach i została zakończona.',
      'Zaloguj się ponownie i natychmiast zmień hasło.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'Nowe urządzenie prosi o Twoje konto {product}',
    body: [
      'Ktoś potwierdził Twój numer lub adres i prosi o Twoje konto {product} na nowym urządzeniu.',
      'Twoje urządzenia poproszono o zgodę. Jeśli to nie Ty, odmów na swoim urządzeniu.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Ktoś poprosił o nowe hasło do {product}',
    body: [
      'Ktoś poprosił o zresetowanie hasła do Twojego konta {product}.',
      'Jeśli to nie Ty, nasz e-mail mówi, jak to zatrzymać.',
    ],
  },
  deviceAddedMail: {
    subject: 'Dodano urządzenie do {product}',
    body: [
      'Do Twojego konta {product} dodano urządzenie. Czyta i wysyła Twoje wiadomości.',
      'Jeśli to nie Ty, usuń urządzenie i zmień teraz hasło.',
    ],
  },
  deviceRemovedMail: {
    subject: 'Usunięto urządzenie z {product}',
    body: [
      'Z Twojego konta {product} usunięto urządzenie.',
      'Jeśli to nie Ty, natychmiast skontaktuj się z administratorem.',
    ],
  },
  deviceIdleMail: {
    subject: 'Urządzenie {product} nie jest używane',
    body: [
      'Urządzenie połączone z Twoim kontem {product} od dawna nie było używane. Wkrótce przestanie otrzymywać wiadomości.',
      'Otwórz aplikację na tym urządzeniu, jeśli chcesz je zachować. W przeciwnym razie je usuń.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'Zmieniono Twój klucz tożsamości {product}',
    body: [
      'Zmieniono klucz tożsamości Twojego konta {product}. Twoje kontakty to widzą.',
      'Jeśli to nie Ty, natychmiast skontaktuj się z administratorem.',
    ],
  },
  recoveryMail: {
    subject: 'Zresetuj hasło do {product}',
    body: [
      'Ktoś poprosił o zresetowanie hasła do Twojego konta {product}.',
      'Ustaw nowe w ciągu {minutes} minut: {link}',
      'Jeśli to nie Ty, zatrzymaj to tutaj: {stopLink}',
    ],
  },
  recoverySms: 'Zresetuj hasło do {product} w ciągu {minutes} min: {link}',
  numberRegisteredMail: {
    subject: 'Ktoś rejestruje Twój numer w {product}',
    body: [
      'Ktoś chce zarejestrować Twój numer w {product}.',
      'Jeśli to nie Ty, nie podawaj nikomu żadnego kodu. Twoje konto pozostaje Twoje.',
      'Czas (UTC): {when}. Aplikacja: {client}.',
      'Jeśli to nie Ty, zatrzymaj rejestrację tutaj: {stopLink}',
    ],
  },
};
