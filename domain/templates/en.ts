import type { Templates } from './template.ts';

/** English. */
export const english: Templates = {
  tag: 'en',
  direction: 'ltr',
  codeSms: '{code} is your {product} verification code. It is valid for {minutes} min. Do not share it.',
  call: {
    language: 'en-GB',
    pressKey: 'This is {product}. Press any key to hear your verification code.',
    yourCodeIs: 'Your code is:',
  },
  codeMail: {
    subject: 'Your {product} verification code',
    body: [
      'Your verification code is {code}.',
      'It is valid for {minutes} minutes. Do not share it with anybody, whoever asks.',
      'If you did not ask for it, ignore this message.',
    ],
  },
  welcomeMail: {
    subject: 'Welcome to {product}',
    body: ['Your {product} account is ready.', 'You can now sign in on your devices.'],
  },
  newDeviceMail: {
    subject: 'New device signed in to {product}',
    body: [
      'A new device was signed in to your {product} account.',
      'If this was not you, remove the device and change your password now.',
    ],
  },
  passwordChangedMail: {
    subject: 'Your {product} password was changed',
    body: [
      'The password of your {product} account was changed.',
      'If this was not you, contact your administrator now.',
    ],
  },
  pinChangedMail: {
    subject: 'Your {product} PIN was changed',
    body: ['The PIN of your {product} account was changed.', 'If this was not you, contact your administrator now.'],
  },
  contactChangedMail: {
    subject: 'Your {product} number or address was changed',
    body: [
      'The telephone number or e-mail address of your {product} account was changed.',
      'If this was not you, contact your administrator now.',
    ],
  },
  identityTransferredMail: {
    subject: 'Contact data of a {product} account was moved',
    body: [
      'Your organisation gave a user name, telephone number or e-mail address of one {product} account to another. One of the two is yours.',
      'If you did not expect this, contact your administrator.',
    ],
  },
  deletionPlannedMail: {
    subject: 'Your {product} account will be deleted',
    body: [
      'Somebody asked to delete your {product} account. It will be deleted with everything in it.',
      'If this was not you, sign in, stop it and change your password now.',
    ],
  },
  accountDeletedMail: {
    subject: 'Your {product} account was deleted',
    body: ['Your {product} account was deleted with everything in it.'],
  },
  sessionStolenMail: {
    subject: 'A {product} session was ended: it may have been stolen',
    body: [
      'A session of your {product} account was used in two places and was ended.',
      'Sign in again and change your password now.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'A new device asks for your {product} account',
    body: [
      'Somebody has proven your telephone number or e-mail address and asked for your {product} account on a new device.',
      'Your devices were asked to approve it. If this was not you, deny it there.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Somebody asked for a new {product} password',
    body: [
      'Somebody asked to reset the password of your {product} account.',
      'If this was not you, our e-mail says how to stop it.',
    ],
  },
  deviceAddedMail: {
    subject: 'Device added to {product}',
    body: [
      'A device was added to your {product} account. It reads and sends your messages.',
      'If this was not you, remove the device and change your password now.',
    ],
  },
  deviceRemovedMail: {
    subject: 'Device removed from {product}',
    body: ['A device was removed from your {product} account.', 'If this was not you, contact your administrator now.'],
  },
  deviceIdleMail: {
    subject: 'A {product} device is not used',
    body: [
      'A linked device of your {product} account was not used for a long time. Soon it will get no more messages.',
      'Open the app on this device to keep it. Otherwise remove it.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'Your {product} identity key was changed',
    body: [
      'The identity key of your {product} account was changed. Your contacts see this.',
      'If this was not you, contact your administrator now.',
    ],
  },
  recoveryMail: {
    subject: 'Reset your {product} password',
    body: [
      'Somebody asked to reset the password of your {product} account.',
      'Choose a new one within {minutes} minutes: {link}',
      'If this was not you, stop it here: {stopLink}',
    ],
  },
  recoverySms: 'Reset your {product} password within {minutes} min: {link}',
  numberRegisteredMail: {
    subject: 'Somebody is registering your number with {product}',
    body: [
      'Somebody asked to register your number with {product}.',
      'If this was not you, share no code with anybody. Your account stays yours.',
      'Time (UTC): {when}. App: {client}.',
      'If this was not you, stop the registration here: {stopLink}',
    ],
  },
};
