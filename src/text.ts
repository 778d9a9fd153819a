/** Three small things that every room needs. */

/** A list for a message, one item a line. */
export function bullets(items: readonly string[]): string {
  return items.map((item) => `  - ${item}`).join('\n')
}

/** The order of migrations: byte order of the names, whatever the locale. */
export function compareNames(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** With its first letter in upper case. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
