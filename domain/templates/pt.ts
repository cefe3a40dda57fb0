import type { Templates } from './template.ts';

/** Portuguese. */
export const portuguese: Templates = {
  tag: 'pt',
  direction: 'ltr',
  codeSms: '{code} é o seu código {product}. Não o partilhe.',
  call: {
    language: 'pt-PT',
    pressKey: 'Aqui {product}. Prima qualquer tecla para ouvir o seu código de verificação.',
    yourCodeIs: 'O seu código é:',
  },
  codeMail: {
    subject: 'O seu código de verificação {product}',
    body: [
      'O seu código de verificação é {code}.',
      'É válido durante {minutes} minutos. Não o partilhe com ninguém, seja quem for que o peça.',
      'Se não o pediu, ignore esta mensagem.',
    ],
  },
  welcomeMail: {
    subject: 'Bem-vindo ao {product}',
    body: ['A sua conta {product} está pronta.', 'Já pode iniciar sessão nos seus dispositivos.'],
  },
  newDeviceMail: {
    subject: 'Novo dispositivo no {product}',
    body: [
      'Um novo dispositivo entrou na sua conta {product}.',
      'Se não foi você, remova o dispositivo e altere já a sua palavra-passe.',
    ],
  },
  passwordChangedMail: {
    subject: 'A sua palavra-passe {product} foi alterada',
    body: ['A palavra-passe da sua conta {product} foi alterada.', 'Se não foi você, contacte já o seu administrador.'],
  },
  pinChangedMail: {
    subject: 'O seu PIN {product} foi alterado',
    body: ['O PIN da sua conta {product} foi alterado.', 'Se não foi você, contacte já o seu administrador.'],
  },
  contactChangedMail: {
    subject: 'O seu número ou endereço {product} foi alterado',
    body: [
      'O número de telefone ou o e-mail da sua conta {product} foi alterado.',
      'Se não foi você, contacte já o seu administrador.',
    ],
  },
  identityTransferredMail: {
    subject: 'Os contactos de uma conta {product} foram movidos',
    body: [
      'A sua organização passou um nome de utilizador, um número de telefone ou um e-mail de uma conta {product} para outra. Uma das duas é sua.',
      'Se não esperava isto, contacte o seu administrador.',
    ],
  },
  deletionPlannedMail: {
    subject: 'A sua conta {product} será eliminada',
    body: [
      'Alguém pediu para eliminar a sua conta {product}. Será eliminada com tudo o que contém.',
      'Se não foi você, inicie sessão, pare a eliminação e mude já a palavra-passe.',
    ],
  },
  accountDeletedMail: {
    subject: 'A sua conta {product} foi eliminada',
    body: ['A sua conta {product} foi eliminada com tudo o que continha.'],
  },
  sessionStolenMail: {
    subject: 'Sessão {product} terminada: pode ter sido roubada',
    body: [
      'Uma sessão da sua conta {product} foi usada em dois sítios e terminada.',
      'Inicie sessão de novo e mude já a palavra-passe.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'Um novo dispositivo pede a sua conta {product}',
    body: [
      'Alguém comprovou o seu número ou endereço e pediu a sua conta {product} num novo dispositivo.',
      'Foi pedida aprovação aos seus dispositivos. Se não foi você, recuse num deles.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Alguém pediu uma nova palavra-passe {product}',
    body: [
      'Alguém pediu para redefinir a palavra-passe da sua conta {product}.',
      'Se não foi você, o nosso e-mail diz como parar.',
    ],
  },
  deviceAddedMail: {
    subject: 'Dispositivo adicionado ao {product}',
    body: [
      'Um dispositivo foi adicionado à sua conta {product}. Lê e envia as suas mensagens.',
      'Se não foi você, remova o dispositivo e altere já a sua palavra-passe.',
    ],
  },
  deviceRemovedMail: {
    subject: 'Dispositivo removido do {product}',
    body: ['Um dispositivo foi removido da sua conta {product}.', 'Se não foi você, contacte já o seu administrador.'],
  },
  deviceIdleMail: {
    subject: 'Um dispositivo {product} não é usado',
    body: [
      'Um dispositivo associado à sua conta {product} não é usado há muito tempo. Em breve deixará de receber mensagens.',
      'Abra a aplicação nesse dispositivo se o quiser manter. Caso contrário, remova-o.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'A sua chave de identidade {product} foi alterada',
    body: [
      'A chave de identidade da sua conta {product} foi alterada. Os seus contactos veem isso.',
      'Se não foi você, contacte já o seu administrador.',
    ],
  },
  recoveryMail: {
    subject: 'Redefina a sua palavra-passe {product}',
    body: [
      'Alguém pediu para redefinir a palavra-passe da sua conta {product}.',
      'Escolha uma nova em {minutes} minutos: {link}',
      'Se não foi você, pare aqui: {stopLink}',
    ],
  },
  recoverySms: 'Redefina a sua palavra-passe {product} em {minutes} min: {link}',
  numberRegisteredMail: {
    subject: 'Alguém está a registar o seu número no {product}',
    body: [
      'Alguém pediu para registar o seu número no {product}.',
      'Se não é você, não partilhe nenhum código. A sua conta continua a ser sua.',
      'Hora (UTC): {when}. Aplicação: {client}.',
      'Se não é você, pare o registo aqui: {stopLink}',
    ],
  },
};
