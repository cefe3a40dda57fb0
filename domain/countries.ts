/**
 * The country of a calling code that several countries share, where a number alone does not tell which: the largest of
 * them, by ISO 3166-1 alpha-2. Codes of no country, such as +800, are ZZ, which ISO 3166-1 leaves to its users.
 * ITU-T E.164, annex to Operational Bulletin 994.
 */
const mainCountries: Readonly<Record<string, string>> = {
  '+1': 'US',
  '+7': 'RU',
  '+39': 'IT',
  '+44': 'GB',
  '+47': 'NO',
  '+61': 'AU',
  '+212': 'MA',
  '+262': 'RE',
  '+290': 'SH',
  '+358': 'FI',
  '+590': 'GP',
  '+599': 'CW',
};

/** Returns the ISO 3166-1 alpha-2 code of a country that is given as such, or as a calling code like `+44`. */
export function isoCountryOf(country: string): string {
  return country.startsWith('+') ? (mainCountries[country] ?? 'ZZ') : country;
}
