import type { OperationInput } from '../../../src/migrations/operations.js'
import { syntaxes } from '../sql/syntaxes.js'

const quoted = (mark: string) => (name: string) => mark + name.replaceAll(mark, mark + mark) + mark

/** Neutral values enough for these tests; the engines' own are tested with the engines. */
const neutral = (type: string): string | undefined => {
  if (/^(TEXT|VARCHAR|CHAR)/i.test(type)) return "''"
  if (/INT|DECIMAL|DOUBLE|REAL/i.test(type)) return '0'
  return /^BOOL/i.test(type) ? 'false' : undefined
}

/** The pure part of the engines: how names are quoted and scripts are read. */
export const engines: Record<'postgresql' | 'sqlite' | 'mysql', OperationInput['engine']> = {
  postgresql: {
    provider: 'postgresql',
    transactionalDdl: true,
    syntax: syntaxes.postgresql,
    quote: quoted('"'),
    neutral,
  },
  sqlite: { provider: 'sqlite', transactionalDdl: true, syntax: syntaxes.sqlite, quote: quoted('"'), neutral },
  mysql: { provider: 'mysql', transactionalDdl: false, syntax: syntaxes.mysql, quote: quoted('`'), neutral },
}
