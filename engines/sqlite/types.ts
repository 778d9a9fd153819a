/** Which values survive a change of type in SQLite, where a type is no more than a preference (Datatypes In SQLite, 3.1). */

type Affinity = 'integer' | 'text' | 'blob' | 'real' | 'numeric'

function affinityOf(type: string): Affinity {
  if (/int/i.test(type)) return 'integer'
  if (/char|clob|text/i.test(type)) return 'text'
  if (/blob/i.test(type) || type.trim() === '') return 'blob'
  return /real|floa|doub/i.test(type) ? 'real' : 'numeric'
}

/** The name alone: SQLite ignores how long or how exact a value may be. */
const nameOf = (type: string) => type.replace(/\(.*$/, '').trim().toLowerCase()
const NUMBER = /^(?:numeric|dec|decimal|number)\b/

/**
 * Whether every value of one type survives as one of another, and is what the new one stands for: a moment that is kept under
 * the name BOOLEAN is none.
 */
export function keepsValues(from: string, to: string): boolean {
  const [was, becomes] = [affinityOf(from), affinityOf(to)]
  if (was === becomes) return was !== 'numeric' || nameOf(from) === nameOf(to) || bothNumbers(from, to)
  if (was === 'integer')
    return becomes === 'text' || NUMBER.test(nameOf(to)) || (becomes === 'real' && nameOf(from) !== 'bigint')
  return was === 'real' && NUMBER.test(nameOf(to))
}

function bothNumbers(a: string, b: string): boolean {
  return NUMBER.test(nameOf(a)) && NUMBER.test(nameOf(b))
}
