/** What a configured shadow database may not hold, in words that every engine refuses with. Pure. */

const SHOWN = 10

/** Why a shadow database is refused that holds these, each named with its kind: `view v`, `function lib.f(integer)`. */
export function holdsStrangers(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ')
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''
  const what = names.every((name) => name.startsWith('table ')) ? 'tables' : 'objects'
  return `it holds ${what} that no migration knows: ${shown}${more}. Use an empty database.`
}
