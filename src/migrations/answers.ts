/** What was answered when a migration was made: kept in its code, and brought together where migrations become one. Pure. */

/** What was answered when a migration was made, as its flags say it: what cannot be seen from two schemas. */
export interface Answers {
  /** `User.name:fullName`, `User:Person`. */
  readonly renames: readonly string[]
  /** `User.age=0`. */
  readonly defaults: readonly string[]
}

export const NO_ANSWERS: Answers = { renames: [], defaults: [] }
const ANSWER = /^\/\/ --(rename|default) (.+)$/gm

/** The answers that the code of a migration holds. */
export function readAnswers(code: string): Answers {
  const found = [...code.matchAll(ANSWER)]
  const of = (flag: string) => found.flatMap(([, name, text]) => (name === flag ? [JSON.parse(text!) as string] : []))
  return { renames: of('rename'), defaults: of('default') }
}

/** The lines of a migration's code that hold the answers. */
export function answerLines({ renames, defaults }: Answers): string[] {
  const line = (flag: string) => (text: string) => `// --${flag} ${JSON.stringify(text)}`
  return [...renames.map(line('rename')), ...defaults.map(line('default'))]
}

interface Moved {
  readonly from: string
  to: string
}

/** Renames after one another become one rename; values are said with the names that fields have in the end. */
export function composeAnswers(all: readonly Answers[]): Answers {
  const models: Moved[] = []
  const fields: (Moved & { readonly model: string })[] = []
  const defaults: { model: string; field: string; sql: string }[] = []
  const origin = (name: string) => models.find(({ to }) => to === name)?.from ?? name
  for (const answers of all) {
    for (const text of answers.renames) {
      const [, from, to] = /^(\w+):(\w+)$/.exec(text) ?? []
      if (from === undefined || to === undefined) continue
      const known = models.find((model) => model.to === from)
      if (known) known.to = to
      else models.push({ from, to })
    }
    for (const text of answers.renames) {
      const [, owner, from, to] = /^(\w+)\.(\w+):(?:\w+\.)?(\w+)$/.exec(text) ?? []
      if (owner === undefined || from === undefined || to === undefined) continue
      const model = origin(owner)
      const known = fields.find((field) => field.model === model && field.to === from)
      if (known) known.to = to
      else fields.push({ model, from, to })
      for (const value of defaults) if (value.model === model && value.field === from) value.field = to
    }
    for (const text of answers.defaults) {
      const [, owner, field, sql] = /^(\w+)\.(\w+)=(.*)$/s.exec(text) ?? []
      if (owner !== undefined && field !== undefined && sql !== undefined)
        defaults.push({ model: origin(owner), field, sql })
    }
  }
  const now = (name: string) => models.find(({ from }) => from === name)?.to ?? name
  return {
    renames: [
      ...models.map(({ from, to }) => `${from}:${to}`),
      ...fields.map(({ model, from, to }) => `${now(model)}.${from}:${to}`),
    ],
    defaults: defaults.map(({ model, field, sql }) => `${now(model)}.${field}=${sql}`),
  }
}
