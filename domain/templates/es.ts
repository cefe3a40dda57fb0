import type { Templates } from './template.ts';

/** Spanish. */
export const spanish: Templates = {
  tag: 'es',
  direction: 'ltr',
  codeSms: '{code} es tu código de {product}. No lo compartas.',
  call: {
    language: 'es-ES',
    pressKey: 'Te llama {product}. Pulsa cualquier tecla para oír tu código de verificación.',
    yourCodeIs: 'Tu código es:',
  },
  codeMail: {
    subject: 'Tu código de verificación de {product}',
    body: [
      'Tu código de verificación es {code}.',
      'Es válido durante {minutes} minutos. No lo compartas con nadie, lo pida quien lo pida.',
      'Si no lo has pedido, ignora este mensaje.',
    ],
  },
  welcomeMail: {
    subject: 'Te damos la bienvenida a {product}',
    body: ['Tu cuenta de {product} está lista.', 'Ya puedes iniciar sesión en tus dispositivos.'],
  },
  newDeviceMail: {
    subject: 'Nuevo dispositivo en {product}',
    body: [
      'Un nuevo dispositivo ha iniciado sesión en tu cuenta de {product}.',
      'Si no has sido tú, quita el dispositivo y cambia tu contraseña ahora.',
    ],
  },
  passwordChangedMail: {
    subject: 'Se ha cambiado tu contraseña de {product}',
    body: [
      'Se ha cambiado la contraseña de tu cuenta de {product}.',
      'Si no has sido tú, avisa ahora a tu administrador.',
    ],
  },
  pinChangedMail: {
    subject: 'Tu PIN de {product} ha cambiado',
    body: ['El PIN de tu cuenta de {product} ha cambiado.', 'Si no has sido tú, contacta ahora con tu administrador.'],
  },
  contactChangedMail: {
    subject: 'Tu número o dirección de {product} ha cambiado',
    body: [
      'El número de teléfono o el correo de tu cuenta de {product} ha cambiado.',
      'Si no has sido tú, contacta ahora con tu administrador.',
    ],
  },
  identityTransferredMail: {
    subject: 'Se han movido datos de contacto de una cuenta de {product}',
    body: [
      'Tu organización ha pasado un nombre de usuario, un número de teléfono o un correo de una cuenta de {product} a otra. Una de las dos es tuya.',
      'Si no lo esperabas, contacta con tu administrador.',
    ],
  },
  deletionPlannedMail: {
    subject: 'Tu cuenta de {product} se eliminará',
    body: [
      'Alguien ha pedido eliminar tu cuenta de {product}. Se eliminará con todo lo que contiene.',
      'Si no has sido tú, inicia sesión, detén la eliminación y cambia tu contraseña ahora.',
    ],
  },
  accountDeletedMail: {
    subject: 'Tu cuenta de {product} se ha eliminado',
    body: ['Tu cuenta de {product} se ha eliminado con todo lo que contenía.'],
  },
  sessionStolenMail: {
    subject: 'Sesión de {product} cerrada: quizá te la han robado',
    body: [
      'Una sesión de tu cuenta de {product} se usó en dos sitios y se ha cerrado.',
      'Inicia sesión de nuevo y cambia tu contraseña ahora.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'Un nuevo dispositivo pide tu cuenta de {product}',
    body: [
      'Alguien ha demostrado tener tu número o tu correo y ha pedido tu cuenta de {product} en un nuevo dispositivo.',
      'Se ha pedido la aprobación a tus dispositivos. Si no has sido tú, recházala allí.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Alguien ha pedido una contraseña nueva de {product}',
    body: [
      'Alguien ha pedido restablecer la contraseña de tu cuenta de {product}.',
      'Si no has sido tú, nuestro correo explica cómo detenerlo.',
    ],
  },
  deviceAddedMail: {
    subject: 'Dispositivo añadido a {product}',
    body: [
      'Se ha añadido un dispositivo a tu cuenta de {product}. Lee y envía tus mensajes.',
      'Si no has sido tú, quita el dispositivo y cambia tu contraseña ahora.',
    ],
  },
  deviceRemovedMail: {
    subject: 'Dispositivo quitado de {product}',
    body: [
      'Se ha quitado un dispositivo de tu cuenta de {product}.',
      'Si no has sido tú, avisa ahora a tu administrador.',
    ],
  },
  deviceIdleMail: {
    subject: 'Un dispositivo de {product} no se usa',
    body: [
      'Un dispositivo vinculado a tu cuenta de {product} no se ha usado en mucho tiempo. Pronto dejará de recibir mensajes.',
      'Abre la aplicación en ese dispositivo si quieres conservarlo. Si no, quítalo.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'Se ha cambiado tu clave de identidad de {product}',
    body: [
      'Se ha cambiado la clave de identidad de tu cuenta de {product}. Tus contactos lo ven.',
      'Si no has sido tú, avisa ahora a tu administrador.',
    ],
  },
  recoveryMail: {
    subject: 'Restablece tu contraseña de {product}',
    body: [
      'Alguien ha pedido restablecer la contraseña de tu cuenta de {product}.',
      'Elige una nueva en {minutes} minutos: {link}',
      'Si no has sido tú, detenlo aquí: {stopLink}',
    ],
  },
  recoverySms: 'Restablece tu contraseña de {product} en {minutes} min: {link}',
  numberRegisteredMail: {
    subject: 'Alguien registra tu número en {product}',
    body: [
      'Alguien ha pedido registrar tu número en {product}.',
      'Si no eres tú, no compartas ningún código. Tu cuenta sigue siendo tuya.',
      'Hora (UTC): {when}. Aplicación: {client}.',
      'Si no eres tú, detén el registro aquí: {stopLink}',
    ],
  },
};
