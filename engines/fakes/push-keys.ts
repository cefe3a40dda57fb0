/**
 * Sample keys of the push fakes: constants, because making them takes longer than starting the fakes. Whoever reads this
 * file has them, so they protect nothing.
 */

/** A certificate for 127.0.0.1 and localhost, signed by its own key, which signs no other. */
export const pushCertificate = `-----BEGIN CERTIFICATE-----
MIIBtjCCAVygAwIBAgIUbAQdLJlb5GipzqimnhD90ip6m68wCgYIKoZIzj0EAwIw
KTEnMCUGA1UEAwweVnlyeSBleGFtcGxlLW9ubHkgcHVzaCBzZXJ2aWNlMCAXDTI2
MTEzMDEwMDkzM1oYDzIxMjYxMTA2MTAwOTMzWjApMScwJQYDVQQDDB5WeXJ5IGV4
YW1wbGUtb25seSBwdXNoIHNlcnZpY2UwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AASI86YLXBHhfkgb/HD920XUsiA+vhwn2X+I/8ySf8x7R6kBlsskLK6IL75ONcwi
DV8B/kmCCP30lMvjUgTaHPg9o2AwXjAaBgNVHREEEzARhwR/AAABgglsb2NhbGhv
c3QwDAYDVR0TAQH/BAIwADATBgNVHSUEDDAKBggrBgEFBQcDATAdBgNVHQ4EFgQU
AjK1FGLqJbWxP7oe4P0d9iO3MBEwCgYIKoZIzj0EAwIDSAAwRQIhAKGJWo2Xua9Y
F5mqZgfdaCCiWS3trNBD3KmCd9hGKd3tAiBEocf+nbbQ1L94geoq2S5M+6brNib4
qF2D9Q/5Kv2SCQ==
-----END CERTIFICATE-----
`;

/** The key of `pushCertificate`. */
export const pushCertificateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVRO0YQy87y1juhLc
iVQaJ1lzvxTP8FR6gTBwmo3odUqhRANCAASI86YLXBHhfkgb/HD920XUsiA+vhwn
2X+I/8ySf8x7R6kBlsskLK6IL75ONcwiDV8B/kmCCP30lMvjUgTaHPg9
-----END PRIVATE KEY-----
`;

/** The key of the service account that the FCM fake accepts. */
export const fcmKey = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCMz+VjzdR8Nzvl
DZfaPqKOVlJ7Wr8r+9TjjBH0B5wSWfid+NoCNcD1C14hTV+soBklGTPJ9kOZYmF4
CDSjyyclCNmPUHrJf4rl0uBn+lp38uCct0+ku902TnAYqEed5FUQibDITle7PD74
526Q9EhYqEW8KxpJBdwRuSZMG3Satf7Ey4Xe44tgqC3a4AQJgFULUxzSbupkHJBH
8hmVsR9+AZBtX8ssc8g2tPMXvZd23Y4vBqylmnDU5yG6qt3LaGhKK+dGuHhQaqdp
MVtJZ03KbC2ExIn13utJX0VZpvVQXjklCwvCjWWKjMS4U5kpYFthr28j1WOmn6DQ
0okyCImhAgMBAAECggEACRiW51sQ+lMxFctKf2kjZBF0c455ofQ7HNXcBQkGznKs
ajv8jT7+r3WkB3+xifuvlCNsIoQ7eqmNxUy2ZcxGQ5CuSSE4RVLtXIpCP8U+2dfB
Ja57wRb3o73uZNFeCveIfTB/0HirFye9o6ODk26MS9nW42Bfas8rl6N/s1PktOer
O/uOziMpOO7JAlnEIVFsut/UGZayEd/SfWwJRKRT6MQLPjMem3RfsArCLfQDVGoy
H8NcYSLF2liLHmrh9JMTYIhhZ2wT731fjuWvZ0s3qrAyxuxuawQORh/Dr/tENueL
lY66wsfGTLY9jG42nTgpXVMGNnSsWx9xspfhE3eFfwKBgQDB8krgkCRaZq5L+FOX
vHVoKMo8aXKjf9KxzCcOC3Y05nNZcZFTgm34CftSqleO5rQYca7DulAk9O5/H9Vs
hmEr5Qwu7mlbybpdREIkh116bM9nnp0+MGEuqdRKwp1Jfk0KYHs3t9KwPGimy7w6
MP8MBD5tWitRMMuJtEYvo3qNmwKBgQC53X2LWqlXAafEfQCtiwVrbj9JPW3cP6KW
PMBkDq8bQ8bvZw74bj/LnUNdM7qNsTzO2EDkccvx42Tg86oIW09COUw62e19ukf5
0tyho9tEHig/1FzaD4nQNGM7L/gnOskaYhj8QP/CnAYrIGX22Ei5TzUb8Tf5+3L8
eOGh8uYXcwKBgD2tulZUQNtnEEMkxCDbVFM9taMkvcp1WiIlFL6Ispz8NO7bCSaP
sj1Rn1WYyqOthtTHQpcIZ3h5VGelThBnY/u7qfY659LDAruqe4Z2bioC9Kq1bLhc
VmuqotLrtW2r9wA30rfTg/N8IqP44vF2p4XAy8GnDWOSqwguBqwbx1vFAoGBAI6y
qoyvEowmTTPh9P9IWOTeQ+BrNUl/4cgO5Hbtfysjojxzl17M5lXha7LG4Feg19rG
1SuO4tHXj7/V05mO4Q8rBoe4gUmiF1iKt7GyJ8nojWZUGOWiQGCFmBn8/jzAOV30
KtKg5Lv5JhM+UIpwC4Wadl/5lsxqbSHBfRnlbxpZAoGAEEH8Rie37FiuPlDHD15A
Rhjfvjmkve5D4Bp7NKNBzY5u+IdBw6T2ZoYDBZhbA/y3Ffe6rbd1fzjgC1SGO/xX
YtzVsScrXUS2ClA0zW3rvBXSaPJClGQDrtDx0V9BplmYKkh4mVV/Y2uR1H16q3+1
KgixUIYQ6zGM+3XNNO9I/qE=
-----END PRIVATE KEY-----
`;

/** The key that the APNs fake accepts. */
export const apnsKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmkX68whUpUnD4djG
rud2y++CKlpKa+ot13ZFaHmLx1mhRANCAASpl+k81cDbDAMjB9/uU+4lNfePMTIR
22etx5B20dzKJsJwVsQr1EMTvKHUKIsCQrFIZggObwWD2BLHXyQBzqvz
-----END PRIVATE KEY-----
`;
