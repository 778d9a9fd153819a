/** Random databases for property tests: every one of them can be created on a server. */
import fc from 'fast-check'
import type {
  Column,
  ColumnDefault,
  ColumnType,
  ForeignKey,
  Index,
  KeyColumn,
  Table,
  Tables,
} from '../../../engines/mysql/planner/tables.js'

const native = (scalar: string, name: string, ...args: number[]) =>
  ({ kind: 'native', scalar, name, args }) as Extract<ColumnType, { kind: 'native' }>
const literal = (of: string, text: string) => ({ kind: 'literal', of, text }) as ColumnDefault

interface Kind {
  readonly type: ColumnType
  readonly defaults: readonly ColumnDefault[]
  /** Can be indexed without a prefix length. */
  readonly key: boolean
}

const numbers = [literal('number', '0'), literal('number', '7')]
const texts = [literal('string', ''), literal('string', "it's"), literal('string', 'a\\b')]
const time = literal('datetime', '2026-01-02T03:04:05.120+00:00')
const KINDS: readonly Kind[] = [
  { type: native('Int', 'Int'), defaults: numbers, key: true },
  { type: native('Int', 'UnsignedSmallInt'), defaults: numbers, key: true },
  { type: native('BigInt', 'BigInt'), defaults: numbers, key: true },
  { type: native('Boolean', 'TinyInt'), defaults: [literal('boolean', 'true')], key: true },
  { type: native('Decimal', 'Decimal', 65, 30), defaults: [literal('number', '1.50')], key: true },
  { type: native('Float', 'Double'), defaults: [literal('number', '0.5')], key: true },
  { type: native('String', 'VarChar', 191), defaults: texts, key: true },
  { type: native('String', 'VarChar', 20), defaults: texts, key: true },
  { type: native('String', 'Text'), defaults: [], key: false },
  { type: native('Json', 'Json'), defaults: [], key: false },
  { type: native('Bytes', 'LongBlob'), defaults: [], key: false },
  { type: native('DateTime', 'DateTime', 3), defaults: [{ kind: 'now' }, time], key: true },
  { type: native('DateTime', 'Date'), defaults: [{ kind: 'now' }, time], key: true },
  { type: native('DateTime', 'Timestamp', 0), defaults: [{ kind: 'now' }], key: true },
  { type: { kind: 'enum', name: 'E', values: ['A', 'B'] }, defaults: [literal('enum', 'B')], key: true },
  { type: { kind: 'enum', name: 'E', values: ['B', "it's", 'A'] }, defaults: [literal('enum', "it's")], key: true },
]

const column = (name: string): fc.Arbitrary<Column & { readonly key: boolean }> =>
  fc.constantFrom(...KINDS).chain(({ type, defaults, key }) =>
    fc.record({
      name: fc.constant(name),
      type: fc.constant(type),
      nullable: fc.boolean(),
      default: fc.option(fc.constantFrom(...defaults, undefined), { nil: undefined }),
      autoIncrement: fc.constant(false),
      key: fc.constant(key),
    }),
  )

const ID_TYPES = [native('Int', 'Int'), native('BigInt', 'BigInt'), native('String', 'VarChar', 36)]

interface Draft {
  readonly name: string
  readonly id: ColumnType
  readonly idKind: 'autoincrement' | 'plain' | 'composite' | 'unique'
  readonly columns: readonly (Column & { readonly key: boolean })[]
  readonly indexes: readonly {
    readonly type: Index['type']
    readonly picks: readonly number[]
    readonly desc: boolean
  }[]
  readonly references: readonly {
    readonly target: number
    readonly nullable: boolean
    readonly indexed: boolean
    readonly unique: boolean
    readonly onDelete: ForeignKey['onDelete']
  }[]
}

const draft = (name: string): fc.Arbitrary<Draft> =>
  fc.record({
    name: fc.constant(name),
    id: fc.constantFrom(...ID_TYPES),
    idKind: fc.constantFrom('autoincrement', 'plain', 'composite', 'unique'),
    columns: fc.subarray(['a', 'b', 'c', 'd']).chain((names) => fc.tuple(...names.map(column))),
    indexes: fc.array(
      fc.record({
        type: fc.constantFrom('normal', 'unique'),
        picks: fc.array(fc.nat(3), { minLength: 1, maxLength: 2 }),
        desc: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
    references: fc.array(
      fc.record({
        target: fc.nat(3),
        nullable: fc.boolean(),
        indexed: fc.boolean(),
        unique: fc.boolean(),
        onDelete: fc.constantFrom('CASCADE', 'RESTRICT', 'SET NULL'),
      }),
      { maxLength: 3 },
    ),
  }) as fc.Arbitrary<Draft>

/** Prisma's names, one index per name. */
function indexOf(table: string, type: Index['type'], columns: readonly KeyColumn[]): Index {
  return {
    name: `${table}_${columns.map(({ name }) => name).join('_')}_${type === 'unique' ? 'key' : 'idx'}`,
    type,
    columns,
  }
}

function table(draft: Draft, all: readonly Draft[]): Table {
  const autoIncrement = draft.id.kind === 'native' && draft.id.scalar !== 'String' && draft.idKind !== 'plain'
  const id: Column = { name: 'id', type: draft.id, nullable: false, default: undefined, autoIncrement }
  const columns: Column[] = [id, ...draft.columns.map(({ key: _, ...column }) => column)]
  const indexes: Index[] = []
  const foreignKeys: ForeignKey[] = []
  const add = (index: Index) => {
    if (!indexes.some(({ name }) => name === index.name)) indexes.push(index)
  }
  const keyable = draft.columns.filter(({ key }) => key)
  const first = keyable.find(({ nullable }) => !nullable)
  let primaryKey: KeyColumn[] | undefined = [{ name: 'id' }]
  if (draft.idKind === 'unique') {
    primaryKey = first && [{ name: first.name }]
    add(indexOf(draft.name, 'unique', [{ name: 'id' }]))
  } else if (draft.idKind === 'composite' && first) {
    primaryKey = [{ name: 'id' }, { name: first.name }]
  }
  for (const { target, nullable, indexed, unique, onDelete } of draft.references) {
    const other = all[target % all.length]
    const name = `${other?.name}Id`
    // Only a column that is a key by itself can be referred to.
    if (!other || (other.idKind === 'composite' && other.columns.some(({ key, nullable }) => key && !nullable)))
      continue
    if (columns.some((column) => column.name === name)) continue
    columns.push({ name, type: other.id, nullable, default: undefined, autoIncrement: false })
    foreignKeys.push({
      name: `${draft.name}_${name}_fkey`,
      columns: [name],
      references: { table: other.name, columns: ['id'] },
      onDelete: onDelete === 'SET NULL' && !nullable ? 'RESTRICT' : onDelete,
      onUpdate: 'CASCADE',
    })
    if (unique) add(indexOf(draft.name, 'unique', [{ name }]))
    else if (indexed) add(indexOf(draft.name, 'normal', [{ name }, ...(first ? [{ name: first.name }] : [])]))
  }
  for (const { type, picks, desc } of draft.indexes) {
    const names = [...new Set(picks.flatMap((pick) => keyable[pick % Math.max(keyable.length, 1)]?.name ?? []))]
    const keys = names.map((name, i) => (desc && i === 0 ? { name, sort: 'desc' as const } : { name }))
    if (keys.length > 0) add(indexOf(draft.name, type, keys))
  }
  return { name: draft.name, columns, primaryKey, indexes, foreignKeys }
}

/** Up to four tables with columns, keys and references among them. */
export const databases: fc.Arbitrary<Tables> = fc
  .subarray(['P', 'Q', 'R', 'S'], { minLength: 1 })
  .chain((names) => fc.tuple(...names.map(draft)))
  .map((drafts) => ({ tables: drafts.map((one) => table(one, drafts)) }))
