import type { Templates } from './template.ts';

/** French. */
export const french: Templates = {
  tag: 'fr',
  direction: 'ltr',
  codeSms: '{code} est votre code de vérification {product}. Valable {minutes} min. Ne le partagez pas.',
  call: {
    language: 'fr-FR',
    pressKey: 'Ici {product}. Appuyez sur une touche pour entendre votre code de vérification.',
    yourCodeIs: 'Votre code est :',
  },
  codeMail: {
    subject: 'Votre code de vérification {product}',
    body: [
      'Votre code de vérification est {code}.',
      'Il est valable {minutes} minutes. Ne le communiquez à personne, qui que ce soit qui le demande.',
      "Si vous ne l'avez pas demandé, ignorez ce message.",
    ],
  },
  welcomeMail: {
    subject: 'Bienvenue chez {product}',
    body: ['Votre compte {product} est prêt.', 'Vous pouvez maintenant vous connecter sur vos appareils.'],
  },
  newDeviceMail: {
    subject: 'Nouvel appareil connecté à {product}',
    body: [
      'Un nouvel appareil s’est connecté à votre compte {product}.',
      'Si ce n’était pas vous, retirez l’appareil et changez votre mot de passe maintenant.',
    ],
  },
  passwordChangedMail: {
    subject: 'Votre mot de passe {product} a été modifié',
    body: [
      'Le mot de passe de votre compte {product} a été modifié.',
      'Si ce n’était pas vous, contactez votre administrateur sans attendre.',
    ],
  },
  pinChangedMail: {
    subject: 'Votre code PIN {product} a été modifié',
    body: [
      'Le code PIN de votre compte {product} a été modifié.',
      "Si ce n'était pas vous, contactez immédiatement votre administrateur.",
    ],
  },
  contactChangedMail: {
    subject: 'Votre numéro ou adresse {product} a été modifié',
    body: [
      'Le numéro de téléphone ou l’adresse e-mail de votre compte {product} a été modifié.',
      "Si ce n'était pas vous, contactez immédiatement votre administrateur.",
    ],
  },
  identityTransferredMail: {
    subject: 'Coordonnées d’un compte {product} déplacées',
    body: [
      'Votre organisation a transféré un nom d’utilisateur, un numéro de téléphone ou une adresse e-mail d’un compte {product} à un autre. L’un des deux est le vôtre.',
      'Si vous ne vous y attendiez pas, contactez votre administrateur.',
    ],
  },
  deletionPlannedMail: {
    subject: 'Votre compte {product} va être supprimé',
    body: [
      'Quelqu’un a demandé la suppression de votre compte {product}. Il sera supprimé avec tout son contenu.',
      'Si ce n’était pas vous, connectez-vous, arrêtez la suppression et changez votre mot de passe maintenant.',
    ],
  },
  accountDeletedMail: {
    subject: 'Votre compte {product} a été supprimé',
    body: ['Votre compte {product} a été supprimé avec tout son contenu.'],
  },
  sessionStolenMail: {
    subject: 'Session {product} fermée : elle a peut-être été volée',
    body: [
      'Une session de votre compte {product} a été utilisée à deux endroits et fermée.',
      'Reconnectez-vous et changez maintenant votre mot de passe.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'Un nouvel appareil demande votre compte {product}',
    body: [
      'Quelqu’un a prouvé votre numéro ou votre adresse et demande votre compte {product} sur un nouvel appareil.',
      'Vos appareils ont reçu une demande d’approbation. Si ce n’était pas vous, refusez-la sur un de vos appareils.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Un nouveau mot de passe {product} a été demandé',
    body: [
      "Quelqu'un a demandé à réinitialiser le mot de passe de votre compte {product}.",
      'Si ce n’est pas vous, notre e-mail explique comment l’arrêter.',
    ],
  },
  deviceAddedMail: {
    subject: 'Appareil ajouté à {product}',
    body: [
      'Un appareil a été ajouté à votre compte {product}. Il lit et envoie vos messages.',
      'Si ce n’était pas vous, retirez l’appareil et changez votre mot de passe maintenant.',
    ],
  },
  deviceRemovedMail: {
    subject: 'Appareil retiré de {product}',
    body: [
      'Un appareil a été retiré de votre compte {product}.',
      'Si ce n’était pas vous, contactez votre administrateur sans attendre.',
    ],
  },
  deviceIdleMail: {
    subject: 'Un appareil {product} n’est pas utilisé',
    body: [
      'Un appareil lié à votre compte {product} n’a pas été utilisé depuis longtemps. Bientôt, il ne recevra plus de messages.',
      'Ouvrez l’application sur cet appareil pour le garder. Sinon, retirez-le.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'Votre clé d’identité {product} a changé',
    body: [
      'La clé d’identité de votre compte {product} a changé. Vos contacts le voient.',
      'Si ce n’était pas vous, contactez votre administrateur sans attendre.',
    ],
  },
  recoveryMail: {
    subject: 'Réinitialiser votre mot de passe {product}',
    body: [
      "Quelqu'un a demandé à réinitialiser le mot de passe de votre compte {product}.",
      'Choisissez-en un nouveau dans les {minutes} minutes : {link}',
      "Si ce n'était pas vous, arrêtez la demande ici : {stopLink}",
    ],
  },
  recoverySms: 'Réinitialisez votre mot de passe {product} sous {minutes} min : {link}',
  numberRegisteredMail: {
    subject: 'Quelqu’un inscrit votre numéro chez {product}',
    body: [
      'Quelqu’un a demandé à inscrire votre numéro chez {product}.',
      'Si ce n’est pas vous, ne communiquez aucun code. Votre compte reste le vôtre.',
      'Heure (UTC) : {when}. Application : {client}.',
      'Si ce n’est pas vous, arrêtez l’inscription ici : {stopLink}',
    ],
  },
};
