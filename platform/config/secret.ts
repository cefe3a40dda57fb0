import { readFileSync } from 'node:fs';

/** A secret of the configuration. It prints as `[secret]` when it is logged, inspected or serialised. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** Returns the value in plain text. Call it only where the secret is used. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** Marks a value of the configuration as the path of a file: `file:/run/secrets/ca.pem`. */
export const fileMark = 'file:';

/**
 * A secret in a file, which is read again each time it is used, so that a renewed certificate or key needs no restart. While
 * the file cannot be read, as in the middle of its replacement, the secret is what was read before.
 */
export class FileSecret extends Secret {
  readonly #file: string;
  #latest: string;

  /** @throws {Error} the file cannot be read */
  constructor(file: string) {
    super('');
    this.#file = file;
    this.#latest = readText(file);
  }

  override reveal(): string {
    try {
      this.#latest = readText(this.#file) || this.#latest;
    } catch {
      // what was read before stays
    }
    return this.#latest;
  }
}

function readText(file: string): string {
  return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
}
