import { applyRenames, fieldCandidates, modelCandidates, renameSteps, renameText } from '../../../src/schema/renames.js'
import { diffSchemas, diffText } from '../../../src/schema/schema-diff.js'

const files = (content: string) => [{ path: 'schema.prisma', content }]
const quote = (name: string) => `"${name}"`
const postgresql = { provider: 'postgresql', quote } as const

describe('renames', () => {
  const before = files(
    'model User {\n  id    Int    @id @default(autoincrement())\n  name  String @unique\n  posts Post[]\n\n  @@index([name, id])\n}\n\nmodel Post {\n  id     Int  @id\n  userId Int\n  user   User @relation(fields: [userId], references: [id])\n}\n',
  )

  test('are found where one thing is gone and another of its kind is new', () => {
    const after = files(
      before[0]!.content
        .replaceAll('User', 'Person')
        .replace('name  String', 'fullName String')
        .replace('[name,', '[fullName,'),
    )
    const models = modelCandidates(before, after)
    expect(models.map(renameText)).toEqual(['User:Person'])
    expect(fieldCandidates(before, after, models).map(renameText)).toEqual(['Person.name:fullName'])
    expect(fieldCandidates(before, before, [])).toEqual([])
  })

  test('are not found between fields of different types', () => {
    const after = files(before[0]!.content.replace('name  String', 'age Int').replace('[name,', '[age,'))
    expect(fieldCandidates(before, after, [])).toEqual([])
  })

  test('keep the names of keys and indexes until the engine renames them, and rename sequences', () => {
    const after = files(
      before[0]!.content
        .replaceAll('User', 'Person')
        .replace('name  String', 'fullName String')
        .replace('[name,', '[fullName,'),
    )
    const models = modelCandidates(before, after)
    const all = [...models, ...fieldCandidates(before, after, models)]
    expect(applyRenames(before, all, postgresql)[0]!.content).toBe(
      'model Person {\n  id    Int    @id(map: "User_pkey") @default(autoincrement())\n  name  String @map("fullName") @unique(map: "User_name_key")\n  posts Post[]\n\n  @@index([name, id], map: "User_name_id_idx")\n\n  @@map("Person")\n}\n\nmodel Post {\n  id     Int  @id\n  userId Int\n  user   Person @relation(fields: [userId], references: [id])\n}\n',
    )
    expect(renameSteps(all, postgresql).map(({ up, down }) => [up, down])).toEqual([
      [
        ['ALTER TABLE "User" RENAME TO "Person"', 'ALTER SEQUENCE IF EXISTS "User_id_seq" RENAME TO "Person_id_seq"'],
        ['ALTER TABLE "Person" RENAME TO "User"', 'ALTER SEQUENCE IF EXISTS "Person_id_seq" RENAME TO "User_id_seq"'],
      ],
      [
        ['ALTER TABLE "Person" RENAME COLUMN "name" TO "fullName"'],
        ['ALTER TABLE "Person" RENAME COLUMN "fullName" TO "name"'],
      ],
    ])
  })
})

describe('the difference of two schemas', () => {
  test('shows changed blocks line by line and leaves out what is the same but for white space', () => {
    const a = files('model A {\n  id Int @id\n  b  Int\n}\n\nenum E {\n  X\n}\n\nmodel C {\n  id Int @id\n}\n')
    const b = files('model C {\n  id   Int   @id\n}\n\nmodel A {\n  id Int @id\n  c  Int\n}\n')
    expect(diffText(diffSchemas(a, b))).toBe(
      '  model A {\n    id Int @id\n-   b  Int\n+   c  Int\n  }\n\n- enum E {\n-   X\n- }',
    )
  })
})
