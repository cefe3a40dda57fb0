import type { Texts } from '../texts.ts';

/** Spanish. */
export const spanish: Texts = {
  frame: {
    skip: 'Ir al contenido',
    navigation: 'Principal',
    language: 'Idioma',
    openElsewhere: 'Abierto en otro lugar',
    openElsewhereHint:
      'Vyry está abierto en otra pestaña o ventana de este navegador. Continúe allí, o ciérrela e inténtelo aquí de nuevo.',
    tryAgain: 'Intentar de nuevo',
  },
  titles: {
    'sign-in': 'Iniciar sesión',
  },
  problems: {
    INVALID_REQUEST: 'Hay algo no válido en el formulario. Corríjalo y envíelo de nuevo.',
    INVALID_OTP: 'El código es incorrecto. Compruébelo y escríbalo de nuevo.',
    UNAUTHORIZED: 'El nombre o la contraseña es incorrecto.',
    INVALID_TOKEN: 'La sesión o el enlace ya no es válido. Inicie sesión de nuevo o solicite otro enlace.',
    SIGNED_OUT: 'Ha cerrado la sesión. Inicie sesión de nuevo.',
    FORBIDDEN: 'Esto no está permitido para su cuenta.',
    NOT_FOUND: 'Esto ya no existe. Vuelva a cargar la página para ver lo que hay.',
    CONFLICT: 'No se puede hacer ahora porque algo ha cambiado. Mire el estado e inténtelo de nuevo.',
    GONE: 'Esto ha caducado. Empiece de nuevo.',
    DEVICE_LIMIT: 'La cuenta tiene tantos dispositivos como puede tener. Quite uno primero.',
    REGISTRATION_LOCKED: 'Ya existe una cuenta. Introduzca su PIN o apruebe con uno de sus dispositivos.',
    RATE_LIMITED: 'Demasiados intentos.',
    PROVIDER_REFUSED: 'El proveedor no entrega por esta vía. Elija otra.',
    INTERNAL_ERROR: 'Algo ha fallado por nuestra parte. Inténtelo de nuevo; si se repite, avise a su administrador.',
    UNAVAILABLE: 'El servicio no está disponible en este momento. Inténtelo de nuevo en unos segundos.',
    UNREACHABLE: 'No se puede alcanzar el servidor. Compruebe su conexión e inténtelo de nuevo.',
    attemptsLeft: 'Intentos restantes: {count}',
    retryAt: 'De nuevo posible a las {time}',
    reference: 'Referencia para su administrador: {requestId}',
  },
  signIn: {
    identifier: 'Nombre de usuario, número de teléfono o correo electrónico',
    password: 'Contraseña',
    passwordHint: 'Déjela vacía para recibir un código en su lugar.',
    submit: 'Iniciar sesión',
    codeSent: 'Si existe esa cuenta, se ha enviado un código. Es válido hasta las {time}.',
    code: 'Código',
    verify: 'Comprobar el código',
    startAgain: 'Empezar de nuevo',
  },
};
