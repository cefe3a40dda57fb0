import type { Templates } from './template.ts';

/** Hindi. */
export const hindi: Templates = {
  tag: 'hi',
  direction: 'ltr',
  codeSms: '{code} आपका {product} कोड है। इसे साझा न करें।',
  call: {
    language: 'hi-IN',
    voice: 'Google.hi-IN-Standard-A',
    pressKey: 'यह {product} है। अपना सत्यापन कोड सुनने के लिए कोई भी बटन दबाएँ।',
    yourCodeIs: 'आपका कोड है:',
  },
  codeMail: {
    subject: 'आपका {product} सत्यापन कोड',
    body: [
      'आपका सत्यापन कोड {code} है।',
      'यह {minutes} मिनट तक मान्य है। कोई भी माँगे, इसे साझा न करें।',
      'यदि आपने इसे नहीं माँगा, तो इस संदेश को अनदेखा करें।',
    ],
  },
  welcomeMail: {
    subject: '{product} में आपका स्वागत है',
    body: ['आपका {product} खाता तैयार है।', 'अब आप अपने उपकरणों पर साइन इन कर सकते हैं।'],
  },
  newDeviceMail: {
    subject: '{product} में नया उपकरण',
    body: ['आपके {product} खाते में एक नया उपकरण जुड़ा है।', 'यदि यह आप नहीं थे, तो उपकरण हटाएँ और अभी पासवर्ड बदलें।'],
  },
  passwordChangedMail: {
    subject: 'आपका {product} पासवर्ड बदला गया',
    body: ['आपके {product} खाते का पासवर्ड बदला गया।', 'यदि यह आप नहीं थे, तो तुरंत अपने व्यवस्थापक से संपर्क करें।'],
  },
  pinChangedMail: {
    subject: 'आपका {product} PIN बदला गया',
    body: ['आपके {product} खाते का PIN बदला गया।', 'अगर यह आपने नहीं किया, तो अभी अपने व्यवस्थापक से संपर्क करें।'],
  },
  contactChangedMail: {
    subject: 'आपका {product} नंबर या पता बदला गया',
    body: ['आपके {product} खाते का फ़ोन नंबर या ईमेल पता बदला गया।', 'अगर यह आपने नहीं किया, तो अभी अपने व्यवस्थापक से संपर्क करें।'],
  },
  deletionPlannedMail: {
    subject: 'आपका {product} खाता हटाया जाएगा',
    body: [
      'किसी ने आपका {product} खाता हटाने का अनुरोध किया है। इसे इसकी सभी चीज़ों के साथ हटा दिया जाएगा।',
      'अगर यह आपने नहीं किया, तो अभी साइन इन करें, हटाना रोकें और अपना पासवर्ड बदलें।',
    ],
  },
  accountDeletedMail: {
    subject: 'आपका {product} खाता हटा दिया गया',
    body: ['आपका {product} खाता इसकी सभी चीज़ों के साथ हटा दिया गया।'],
  },
  recoveryMail: {
    subject: 'अपना {product} पासवर्ड रीसेट करें',
    body: [
      'किसी ने आपके {product} खाते का पासवर्ड रीसेट करने का अनुरोध किया है।',
      '{minutes} मिनट के भीतर नया पासवर्ड चुनें: {link}',
      'अगर यह आपने नहीं किया, तो इसे यहाँ रोकें: {stopLink}',
    ],
  },
  recoverySms: '{minutes} मिनट में {product} पासवर्ड रीसेट करें: {link}',
  numberRegisteredMail: {
    subject: 'कोई आपका नंबर {product} में पंजीकृत कर रहा है',
    body: [
      'किसी ने आपका नंबर {product} में पंजीकृत करने का अनुरोध किया है।',
      'यदि यह आप नहीं हैं, तो कोई कोड साझा न करें। आपका खाता आपका ही रहेगा।',
    ],
  },
};
