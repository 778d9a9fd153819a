import { renderReadme } from '../../../src/migrations/readme.js'

const files = (content: string) => [{ path: 'schema.prisma', content }]
const before = files(
  'model User {\n  id    Int    @id\n  name  String\n  old   Int?\n}\n\nmodel Gone {\n  id Int @id\n}\n',
)
const after = files(
  'model User {\n  id    Int    @id\n  name  String? @unique\n  posts Post[]\n}\n\nmodel Post {\n  id     Int  @id\n  userId Int\n  user   User @relation(fields: [userId], references: [id])\n}\n',
)
const readme = renderReadme({
  name: '20261120130501_posts',
  schemaDiffSummary: '[+] Added tables\n  - Post',
  schemas: { before, after },
  up: 'SELECT 1;',
  down: 'SELECT 2;',
  warnings: ['Table Gone is dropped with its rows.'],
  notes: ['The down brings table Gone back without its rows.'],
})

describe('README.md of a migration', () => {
  test('says which models and fields change, and how', () => {
    expect(readme).toContain(
      [
        '- Model `User` changes.',
        '  - Field `name`: `String` becomes `String? @unique`.',
        '  - Field `old` `Int?` is removed.',
        '  - Field `posts` `Post[]` is new.',
        '- Model `Post` is new.',
        '- Model `Gone` is removed.',
      ].join('\n'),
    )
    expect(readme).toContain('```diff\n  model User {\n    id    Int    @id\n-   name  String\n')
  })

  test('draws the touched models with the changes marked', () => {
    const diagram = /```mermaid\n([\s\S]*?)```/.exec(readme)![1]
    expect(diagram).toBe(
      [
        'erDiagram',
        '  User {',
        '    Int id PK',
        '    String name UK "optional, changed"',
        '    Int old "optional, removed"',
        '  }',
        '  Post["Post (new)"] {',
        '    Int id PK',
        '    Int userId',
        '  }',
        '  Gone["Gone (removed)"] {',
        '    Int id PK',
        '  }',
        '  User ||--o{ Post : "user"',
        '',
      ].join('\n'),
    )
  })

  test('holds the SQL both ways, what is lost, and what cannot be brought back', () => {
    expect(readme).toContain('## Before you apply it\n\n- Table Gone is dropped with its rows.')
    expect(readme).toContain('## Before you undo it\n\n- The down brings table Gone back without its rows.')
    expect(readme).toContain('## Up\n\n```sql\nSELECT 1;\n```\n\n## Down\n\n```sql\nSELECT 2;\n```')
  })

  test('a rename is one change, of a model and of its fields; enums and joined lists are told, too', () => {
    const text = renderReadme({
      name: 'renames',
      schemaDiffSummary: '',
      schemas: {
        before: files(
          'model User {\n  id   Int    @id\n  name String\n  nick String\n}\n\nmodel Tag {\n  id Int @id\n}\n\nenum Role {\n  USER\n  OLD\n}\n',
        ),
        after: files(
          'model Person {\n  id       Int     @id\n  fullName String\n  alias    String?\n  tags     Tag[]\n}\n\nmodel Tag {\n  id     Int      @id\n  people Person[]\n}\n\nenum Role {\n  USER\n  ADMIN\n}\n\nenum Kind {\n  A\n}\n',
        ),
        renames: ['User:Person', 'Person.name:fullName', 'User.nick:alias'],
      },
      up: '',
      down: '',
      warnings: [],
      notes: [],
    })
    expect(text).toContain(
      [
        '- Model `User` is renamed to `Person`.',
        '  - Field `name` is renamed to `fullName`.',
        '  - Field `nick` is renamed to `alias`; `String` becomes `String?`.',
        '  - Field `tags` `Tag[]` is new.',
        '- Model `Tag` changes.',
        '  - Field `people` `Person[]` is new.',
        '- Enum `Role` changes.',
        '  - Value `ADMIN` is new.',
        '  - Value `OLD` is removed.',
        '- Enum `Kind` is new.',
      ].join('\n'),
    )
    expect(/```mermaid\n([\s\S]*?)```/.exec(text)![1]).toBe(
      [
        'erDiagram',
        '  Person["Person (renamed from User)"] {',
        '    Int id PK',
        '    String fullName "renamed from name"',
        '    String alias "optional, renamed from nick"',
        '  }',
        '  Tag {',
        '    Int id PK',
        '  }',
        '  Person }o--o{ Tag : "tags (new)"',
        '',
      ].join('\n'),
    )
  })
})
