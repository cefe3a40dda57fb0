import type { Templates } from './template.ts';

/** Bengali. */
export const bengali: Templates = {
  tag: 'bn',
  direction: 'ltr',
  codeSms: '{code} আপনার {product} কোড। কাউকে দেবেন না।',
  call: {
    language: 'bn-IN',
    voice: 'Google.bn-IN-Standard-A',
    pressKey: '{product} থেকে বলছি। আপনার যাচাইকরণ কোড শুনতে যেকোনো বোতাম চাপুন।',
    yourCodeIs: 'আপনার কোড:',
  },
  codeMail: {
    subject: 'আপনার {product} যাচাইকরণ কোড',
    body: [
      'আপনার যাচাইকরণ কোড {code}',
      'এটি {minutes} মিনিট বৈধ। যে-ই চাক, কাউকে দেবেন না।',
      'আপনি না চেয়ে থাকলে এই বার্তা উপেক্ষা করুন।',
    ],
  },
  welcomeMail: {
    subject: '{product}-এ স্বাগতম',
    body: ['আপনার {product} অ্যাকাউন্ট প্রস্তুত।', 'এখন আপনার ডিভাইসে সাইন ইন করতে পারেন।'],
  },
  newDeviceMail: {
    subject: '{product}-এ নতুন ডিভাইস',
    body: ['আপনার {product} অ্যাকাউন্টে একটি নতুন ডিভাইস সাইন ইন করেছে।', 'এটি আপনি না হলে ডিভাইসটি সরিয়ে এখনই পাসওয়ার্ড বদলান।'],
  },
  passwordChangedMail: {
    subject: 'আপনার {product} পাসওয়ার্ড বদলানো হয়েছে',
    body: ['আপনার {product} অ্যাকাউন্টের পাসওয়ার্ড বদলানো হয়েছে।', 'এটি আপনি না হলে এখনই প্রশাসককে জানান।'],
  },
  pinChangedMail: {
    subject: 'আপনার {product} পিন বদলানো হয়েছে',
    body: ['আপনার {product} অ্যাকাউন্টের পিন বদলানো হয়েছে।', 'আপনি এটি না করে থাকলে এখনই আপনার প্রশাসকের সঙ্গে যোগাযোগ করুন।'],
  },
  recoveryMail: {
    subject: 'আপনার {product} পাসওয়ার্ড রিসেট করুন',
    body: [
      'কেউ আপনার {product} অ্যাকাউন্টের পাসওয়ার্ড রিসেট করার অনুরোধ করেছেন।',
      '{minutes} মিনিটের মধ্যে নতুন পাসওয়ার্ড বেছে নিন: {link}',
      'আপনি এটি না করে থাকলে এখানে থামান: {stopLink}',
    ],
  },
  recoverySms: '{minutes} মিনিটের মধ্যে {product} পাসওয়ার্ড রিসেট করুন: {link}',
  numberRegisteredMail: {
    subject: 'কেউ আপনার নম্বর {product}-এ নিবন্ধন করছে',
    body: [
      'কেউ আপনার নম্বর {product}-এ নিবন্ধন করতে চেয়েছে।',
      'এটি আপনি না হলে কাউকে কোনো কোড দেবেন না। আপনার অ্যাকাউন্ট আপনারই থাকবে।',
    ],
  },
};
