/** Names and texts as standard SQL writes them, for scripts that are read or put right. What a database cannot hold is its own matter. */

/** `user"s` -> `"user""s"`. */
export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The names that there are, with points between them: `"shop"."User"`. */
export function qualifiedName(...names: readonly (string | undefined)[]): string {
  return names.flatMap((name) => (name === undefined ? [] : [quotedName(name)])).join('.')
}

/** `it's` -> `'it''s'`. */
export function textLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
