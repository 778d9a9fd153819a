// Writes docs/schemas from the types of what the commands return: one JSON Schema for each document that --json prints.
// `--check` writes nothing and exits 1 where a file is out of date.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const folder = path.join(root, 'docs', 'schemas')
const [major] = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version.split('.')
const config = ts.getParsedCommandLineOfConfigFile(
  path.join(root, 'tsconfig.json'),
  {},
  { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} },
)
const commands = path.join(root, 'src/cli/commands')
const program = ts.createProgram([path.join(commands, 'index.ts'), path.join(commands, 'overview.ts')], config.options)
const checker = program.getTypeChecker()

/** The type of a name that a file of the commands exports. */
function exported(file, name) {
  const source = program.getSourceFile(path.join(commands, file))
  const symbol = checker.getExportsOfModule(checker.getSymbolAtLocation(source)).find((one) => one.name === name)
  return checker.getTypeOfSymbol(symbol)
}

function typeOf(type, property) {
  return checker.getTypeOfSymbol(checker.getPropertyOfType(type, property))
}

/** What a command's `run` comes to. */
function resultOf(command) {
  const [signature] = checker.getSignaturesOfType(typeOf(command, 'run'), ts.SignatureKind.Call)
  return typeOf(checker.getAwaitedType(checker.getReturnTypeOfSignature(signature)), 'data')
}

const is = (type, flag) => (type.flags & flag) !== 0

/** As JSON has it: no undefined, no function, a bigint as text. @param path the types around it, none of which may be in it */
function schemaOf(type, around = []) {
  if (around.includes(type)) throw new Error(`${checker.typeToString(type)} contains itself`)
  if (is(type, ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return {}
  if (type.isUnion()) return unionOf(type, around)
  if (is(type, ts.TypeFlags.Null)) return { type: 'null' }
  if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value }
  if (is(type, ts.TypeFlags.BooleanLiteral)) return { const: checker.typeToString(type) === 'true' }
  if (is(type, ts.TypeFlags.StringLike | ts.TypeFlags.BigIntLike)) return { type: 'string' }
  if (is(type, ts.TypeFlags.NumberLike)) return { type: 'number' }
  if (checker.isArrayType(type)) {
    return { type: 'array', items: schemaOf(checker.getTypeArguments(type)[0], [...around, type]) }
  }
  return objectOf(type, [...around, type])
}

function unionOf(type, around) {
  const parts = type.types.filter((part) => !is(part, ts.TypeFlags.Undefined))
  const bools = parts.filter((part) => is(part, ts.TypeFlags.BooleanLiteral))
  const texts = parts.filter((part) => part.isStringLiteral())
  const others = parts.filter((part) => !texts.includes(part) && !(bools.length === 2 && bools.includes(part)))
  const schemas = [
    ...(bools.length === 2 ? [{ type: 'boolean' }] : []),
    ...(texts.length > 1 ? [{ enum: texts.map(({ value }) => value).sort() }] : texts.map((part) => schemaOf(part))),
    ...others.map((part) => schemaOf(part, around)),
  ]
  // In an order of their own: the compiler's changes with whatever else is compiled.
  const sorted = schemas.map((schema) => [JSON.stringify(schema), schema]).sort(([a], [b]) => (a < b ? -1 : 1))
  return sorted.length === 1 ? schemas[0] : { anyOf: sorted.map(([, schema]) => schema) }
}

function objectOf(type, around) {
  const properties = {}
  const required = []
  for (const symbol of checker.getPropertiesOfType(type)) {
    const property = checker.getTypeOfSymbol(symbol)
    if (checker.getSignaturesOfType(property, ts.SignatureKind.Call).length > 0) continue
    const description = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replace(/\s+/g, ' ')
    properties[symbol.name] = { ...(description && { description }), ...schemaOf(property, around) }
    const mayBeMissing =
      symbol.flags & ts.SymbolFlags.Optional ||
      (property.isUnion() && property.types.some((part) => is(part, ts.TypeFlags.Undefined)))
    if (!mayBeMissing) required.push(symbol.name)
  }
  const index = checker.getIndexTypeOfType(type, ts.IndexKind.String)
  return {
    type: 'object',
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required: required.sort() }),
    ...(index && { additionalProperties: schemaOf(index, around) }),
  }
}

/** The same for every command: docs/commands.md names the exit codes, the hint is the command that helps. */
const ERROR = {
  type: 'object',
  properties: {
    code: { type: 'string', description: 'E_LOCK, E_OPERATION, ...' },
    message: { type: 'string' },
    hint: { anyOf: [{ type: 'string' }, { type: 'null' }], description: 'the command or the change that fixes it' },
    where: { type: 'string', description: 'migration, operation and statement' },
    data: { type: 'object', description: 'facts beside the message' },
  },
  required: ['code', 'hint', 'message'],
}

function documentOf(name, command) {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `https://unpkg.com/prisma-rays@${major}/docs/schemas/${name}.json`,
    title: `rays ${name} --json`,
    type: 'object',
    properties: {
      command: { const: name },
      ok: { type: 'boolean', description: 'false for every exit code but 0' },
      data: { anyOf: [{ type: 'null' }, schemaOf(resultOf(command))], description: 'null where there is an error' },
      warnings: { type: 'array', items: { type: 'string' } },
      error: ERROR,
    },
    required: ['command', 'data', 'ok', 'warnings'],
  }
}

const documents = new Map()
const every = [...checker.getTypeArguments(exported('index.ts', 'COMMANDS')), exported('overview.ts', 'OVERVIEW')]
for (const command of every) {
  const name = typeOf(command, 'name').value
  documents.set(`${name}.json`, `${JSON.stringify(documentOf(name, command), null, 2)}\n`)
}

const check = process.argv.includes('--check')
mkdirSync(folder, { recursive: true })
const stale = readdirSync(folder).filter((file) => !documents.has(file))
const wrong = [...documents].filter(([file, text]) => {
  try {
    return readFileSync(path.join(folder, file), 'utf8') !== text
  } catch {
    return true
  }
})
if (check && stale.length + wrong.length > 0) {
  console.error(
    `docs/schemas is out of date (${[...stale, ...wrong.map(([file]) => file)].join(', ')}): node scripts/schemas.mjs`,
  )
  process.exit(1)
}
if (!check) {
  for (const file of stale) rmSync(path.join(folder, file))
  for (const [file, text] of wrong) writeFileSync(path.join(folder, file), text)
}
