import type { Templates } from './template.ts';

/** Dutch. */
export const dutch: Templates = {
  tag: 'nl',
  direction: 'ltr',
  codeSms: '{code} is je verificatiecode voor {product}. Deze geldt {minutes} min. Deel de code niet.',
  call: {
    language: 'nl-NL',
    pressKey: 'Dit is {product}. Druk op een toets om je verificatiecode te horen.',
    yourCodeIs: 'Je code is:',
  },
  codeMail: {
    subject: 'Je verificatiecode voor {product}',
    body: [
      'Je verificatiecode is {code}.',
      'Deze geldt {minutes} minuten. Deel de code met niemand, wie er ook om vraagt.',
      'Heb je er niet om gevraagd, negeer dit bericht dan.',
    ],
  },
  welcomeMail: {
    subject: 'Welkom bij {product}',
    body: ['Je account bij {product} is klaar.', 'Je kunt nu inloggen op je apparaten.'],
  },
  newDeviceMail: {
    subject: 'Nieuw apparaat ingelogd bij {product}',
    body: [
      'Een nieuw apparaat is ingelogd op je account bij {product}.',
      'Was jij dit niet, verwijder het apparaat en wijzig nu je wachtwoord.',
    ],
  },
  passwordChangedMail: {
    subject: 'Je wachtwoord voor {product} is gewijzigd',
    body: [
      'Het wachtwoord van je account bij {product} is gewijzigd.',
      'Was jij dit niet, neem dan meteen contact op met je beheerder.',
    ],
  },
  pinChangedMail: {
    subject: 'Je pincode voor {product} is gewijzigd',
    body: [
      'De pincode van je account bij {product} is gewijzigd.',
      'Was jij dit niet, neem dan nu contact op met je beheerder.',
    ],
  },
  contactChangedMail: {
    subject: 'Je nummer of adres voor {product} is gewijzigd',
    body: [
      'Het telefoonnummer of e-mailadres van je account bij {product} is gewijzigd.',
      'Was jij dit niet, neem dan nu contact op met je beheerder.',
    ],
  },
  identityTransferredMail: {
    subject: 'Contactgegevens van een account bij {product} zijn verplaatst',
    body: [
      'Je organisatie heeft een gebruikersnaam, telefoonnummer of e-mailadres van het ene account bij {product} aan het andere gegeven. Een van de twee is van jou.',
      'Had je dit niet verwacht, neem dan contact op met je beheerder.',
    ],
  },
  deletionPlannedMail: {
    subject: 'Je account bij {product} wordt verwijderd',
    body: [
      'Iemand heeft gevraagd je account bij {product} te verwijderen. Het wordt verwijderd met alles erin.',
      'Was jij dit niet, log dan in, stop het verwijderen en wijzig nu je wachtwoord.',
    ],
  },
  accountDeletedMail: {
    subject: 'Je account bij {product} is verwijderd',
    body: ['Je account bij {product} is verwijderd met alles erin.'],
  },
  sessionStolenMail: {
    subject: 'Sessie bij {product} afgesloten: misschien gestolen',
    body: [
      'Een sessie van je account bij {product} is op twee plaatsen gebruikt en afgesloten.',
      'Log opnieuw in en wijzig nu je wachtwoord.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'Een nieuw apparaat vraagt om je account bij {product}',
    body: [
      'Iemand heeft je nummer of e-mailadres bewezen en vraagt om je account bij {product} op een nieuw apparaat.',
      'Je apparaten is om goedkeuring gevraagd. Was jij dit niet, weiger het daar.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Iemand vraagt een nieuw wachtwoord voor {product}',
    body: [
      'Iemand heeft gevraagd het wachtwoord van je account bij {product} opnieuw in te stellen.',
      'Was jij dit niet, dan staat in onze e-mail hoe je het stopt.',
    ],
  },
  deviceAddedMail: {
    subject: 'Apparaat toegevoegd aan {product}',
    body: [
      'Er is een apparaat toegevoegd aan je account bij {product}. Het leest en verstuurt je berichten.',
      'Was jij dit niet, verwijder het apparaat en wijzig nu je wachtwoord.',
    ],
  },
  deviceRemovedMail: {
    subject: 'Apparaat verwijderd uit {product}',
    body: [
      'Er is een apparaat verwijderd uit je account bij {product}.',
      'Was jij dit niet, neem dan meteen contact op met je beheerder.',
    ],
  },
  deviceIdleMail: {
    subject: 'Een apparaat van {product} wordt niet gebruikt',
    body: [
      'Een gekoppeld apparaat van je account bij {product} is lang niet gebruikt. Binnenkort krijgt het geen berichten meer.',
      'Open de app op dat apparaat als je het wilt houden. Verwijder het anders.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'Je identiteitssleutel voor {product} is gewijzigd',
    body: [
      'De identiteitssleutel van je account bij {product} is gewijzigd. Je contacten zien dit.',
      'Was jij dit niet, neem dan meteen contact op met je beheerder.',
    ],
  },
  recoveryMail: {
    subject: 'Stel je wachtwoord voor {product} opnieuw in',
    body: [
      'Iemand heeft gevraagd het wachtwoord van je account bij {product} opnieuw in te stellen.',
      'Kies binnen {minutes} minuten een nieuw wachtwoord: {link}',
      'Was jij dit niet, stop het hier: {stopLink}',
    ],
  },
  recoverySms: 'Stel je wachtwoord voor {product} binnen {minutes} min opnieuw in: {link}',
  numberRegisteredMail: {
    subject: 'Iemand registreert je nummer bij {product}',
    body: [
      'Iemand heeft gevraagd je nummer te registreren bij {product}.',
      'Ben jij dit niet, deel dan geen code. Je account blijft van jou.',
      'Tijd (UTC): {when}. App: {client}.',
      'Ben jij dit niet, stop de registratie hier: {stopLink}',
    ],
  },
};
