/**
 * Places of addresses, from a local database in MaxMind's format, such as GeoLite2 City or DB-IP City Lite. The file is
 * read once, at the start; no address leaves the process.
 * https://maxmind.github.io/MaxMind-DB/
 */
import { isIP } from 'node:net';
import type { CityResponse } from 'maxmind';

/** Names the places of addresses. */
export interface Places {
  /** Returns city and country in English, such as `Paris, France`; null if the database does not know the address. */
  placeOf(address: string): string | null;
}

/**
 * Opens the database; without a file no place is known.
 *
 * @throws {Error} the file cannot be read or is no such database
 */
export async function openPlaces(file: string | undefined): Promise<Places> {
  if (file === undefined) return { placeOf: () => null };
  // loaded only if it is configured
  const { open } = await import('maxmind');
  const reader = await open<CityResponse>(file);
  return {
    placeOf(address) {
      const found = isIP(address) === 0 ? null : reader.get(address);
      const names = [found?.city?.names?.en, found?.country?.names?.en].filter((name) => name !== undefined);
      return names.length === 0 ? null : names.join(', ');
    },
  };
}
