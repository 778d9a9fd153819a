/** Names that Prisma makes up, cut to MySQL's limit. */

/** Bytes in an identifier. MySQL counts characters; Prisma counts bytes. */
const LIMIT = 64

/** The longest beginning of the text that fits into that many UTF-8 bytes, at a character boundary. */
function cutBytes(text: string, bytes: number): string {
  const encoded = Buffer.from(text)
  if (encoded.length <= bytes) return text
  let end = bytes
  while (end > 0 && ((encoded[end] as number) & 0xc0) === 0x80) end--
  return encoded.subarray(0, end).toString()
}

function constraintName(table: string, columns: readonly string[], suffix: string): string {
  return cutBytes([table, ...columns].join('_'), LIMIT - suffix.length) + suffix
}

/** Prisma: `{table}_{columns}_key`. */
export const uniqueName = (table: string, columns: readonly string[]) => constraintName(table, columns, '_key')
/** Prisma: `{table}_{columns}_idx`, full-text indexes too. */
export const indexName = (table: string, columns: readonly string[]) => constraintName(table, columns, '_idx')
/** Prisma: `{table}_{columns}_fkey`, with the referencing table and columns. */
export const foreignKeyName = (table: string, columns: readonly string[]) => constraintName(table, columns, '_fkey')

/** The names of the table behind an implicit many-to-many relation (Prisma cuts each at a different length). */
export function joinTableNames(relation: string) {
  const table = [...`_${relation}`].slice(0, LIMIT).join('')
  const short = (characters: number) => [...table].slice(0, characters).join('')
  return {
    table,
    unique: `${short(54)}_AB_unique`,
    index: `${short(56)}_B_index`,
    keyA: `${cutBytes(table, 57)}_A_fkey`,
    keyB: `${cutBytes(table, 57)}_B_fkey`,
  }
}
