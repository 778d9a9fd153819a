/** The part of JSON Schema that docs/schemas is written in; a keyword beyond it is an error. */
export interface Schema {
  readonly [keyword: string]: unknown
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: Schema
}

const KNOWN = new Set([
  ...['$schema', '$id', 'title', 'description'],
  ...['type', 'const', 'enum', 'anyOf', 'properties', 'required', 'items', 'additionalProperties'],
])

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/** What a value lacks, and which of its fields the schema does not know: readers of a document allow more, its writers do not. */
export function problemsOf(schema: Schema, value: unknown, at = ''): string[] {
  const strange = Object.keys(schema).filter((keyword) => !KNOWN.has(keyword))
  if (strange.length > 0) throw new Error(`${at} has ${strange.join(', ')}`)
  const { anyOf, type, enum: choices } = schema
  if (anyOf !== undefined) {
    const tried = anyOf.map((one) => problemsOf(one, value, at))
    const best = tried.reduce((least, problems) => (problems.length <= least.length ? problems : least))
    if (best.length > 0) return best
  }
  if ('const' in schema && schema.const !== value) return [`${at} is ${JSON.stringify(value)}`]
  if (choices !== undefined && !choices.includes(value)) return [`${at} is ${JSON.stringify(value)}`]
  if (type !== undefined && type !== typeOf(value)) return [`${at} is ${typeOf(value)}, not ${type}`]
  if (Array.isArray(value))
    return value.flatMap((item, index) => problemsOf(schema.items ?? {}, item, `${at}/${index}`))
  if (type !== 'object' || typeof value !== 'object' || value === null) return []
  const missing = (schema.required ?? []).filter((name) => !Object.hasOwn(value, name))
  return [
    ...missing.map((name) => `${at}/${name} is missing`),
    ...Object.entries(value).flatMap(([name, part]) => {
      const known = schema.properties?.[name] ?? schema.additionalProperties
      if (known !== undefined) return problemsOf(known, part, `${at}/${name}`)
      return schema.properties === undefined ? [] : [`${at}/${name} is not in the schema`]
    }),
  ]
}
