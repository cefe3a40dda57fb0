/**
 * Places and networks of addresses, from local databases in MaxMind's format, such as GeoLite2 City and GeoLite2 ASN or
 * those of DB-IP. The files are read once, at the start; no address leaves the process.
 * https://maxmind.github.io/MaxMind-DB/
 */
import { isIP } from 'node:net';
import type { AsnResponse, CityResponse, Reader, Response } from 'maxmind';
import type { AddressOrigin } from '../domain/audit.ts';

/** Names the places and networks of addresses. */
export interface Places {
  /** Returns city and country in English, such as `Paris, France`; null if the database does not know the address. */
  placeOf(address: string): string | null;
  /** Returns what the databases know of an address; empty if that is nothing. */
  originOf(address: string): AddressOrigin;
}

/** The files of the databases. */
export interface PlaceFiles {
  places?: string | undefined;
  networks?: string | undefined;
}

/**
 * Opens the databases; without a file no place or network is known.
 *
 * @throws {Error} a file cannot be read or is no such database
 */
export async function openPlaces({ places, networks }: PlaceFiles): Promise<Places> {
  const [cities, systems] = [await openDatabase<CityResponse>(places), await openDatabase<AsnResponse>(networks)];
  return {
    placeOf(address) {
      const found = cities(address);
      const names = [found?.city?.names?.en, found?.country?.names?.en].filter((name) => name !== undefined);
      return names.length === 0 ? null : names.join(', ');
    },
    originOf(address) {
      const geo = geoOf(cities(address));
      const { autonomous_system_number: number, autonomous_system_organization: name } = systems(address) ?? {};
      return {
        ...(Object.keys(geo).length > 0 && { geo }),
        ...(number !== undefined && { as: { number, ...(name && { organization: { name } }) } }),
      };
    },
  };
}

function geoOf(found: CityResponse | null): NonNullable<AddressOrigin['geo']> {
  const { city, country, location } = found ?? {};
  return {
    ...(country?.iso_code && { country_iso_code: country.iso_code }),
    ...(country?.names?.en && { country_name: country.names.en }),
    ...(city?.names?.en && { city_name: city.names.en }),
    ...(location && { location: { lat: location.latitude, lon: location.longitude } }),
  };
}

type Look<T> = (address: string) => T | null;

async function openDatabase<T extends Response>(file: string | undefined): Promise<Look<T>> {
  if (file === undefined) return () => null;
  // loaded only if it is configured
  const { open } = await import('maxmind');
  const reader: Reader<T> = await open<T>(file);
  return (address) => (isIP(address) === 0 ? null : reader.get(address));
}
