import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { describeDatabases, type FreshDatabase, history } from '../support/databases.js'
import { project, type TestProject } from '../support/project.js'

const V1 = 'model User {\n  id    Int    @id @default(autoincrement())\n  email String @unique\n}\n'
const V2 = `${V1}\nmodel Post {\n  id    Int    @id\n  title String\n}\n`
const V3 = V2.replace('title String', 'title String\n  body  String?')

describeDatabases('save, up and down', (database) => {
  let db: FreshDatabase
  let app: TestProject
  beforeEach(async () => {
    db = await database.fresh()
    app = project({ provider: db.provider, url: db.href, schema: V1, config: { generate: false } })
  })
  afterEach(async () => {
    app.remove()
    await db.drop()
  })
  const migrations = () => readdirSync(path.join(app.folder, 'prisma/migrations')).filter((name) => /^\d/.test(name))
  const table = (name: string) => (db.provider === 'mysql' ? `\`${name}\`` : `"${name}"`)
  const has = (name: string) =>
    db.query(`SELECT * FROM ${table(name)}`).then(
      () => true,
      () => false,
    )

  test('save shows the schema changes and the file tree, up applies, down takes one back', async () => {
    const saved = await app.rays(['save', '--name', 'add unique to email'])
    expect(saved.code).toBe(0)
    expect(saved.stderr).toContain('+ model User {')
    expect(saved.stdout).toMatch(/prisma\/migrations\/\n {2}└─ \d{14}_add_unique_to_email\//)
    expect(saved.stdout).toContain('├─ README.md')
    expect(saved.stdout).toContain('rays up')
    expect(await has('User')).toBe(false)

    const up = await app.rays(['up', '--auto-approve'])
    expect(up.code).toBe(0)
    expect(up.stdout).toMatch(/\| Status +\| Migration +\| Raw commands/)
    expect(up.stdout).toMatch(/\| Complete \| \d{14}_add_unique_to_email \| CREATE /)
    expect(up.stdout).toMatch(/Done with 1 migration in [\d.]+ m?s\./)
    expect(await has('User')).toBe(true)
    expect((await app.rays(['up'])).stdout).toContain('Already in sync')

    const down = await app.rays(['down', '--auto-approve'])
    expect(down.code).toBe(0)
    expect(down.stderr).toContain('- model User {')
    expect(down.stdout).toMatch(/with 1 migration in [\d.]+ m?s\./)
    expect(await has('User')).toBe(false)
    expect((await app.rays(['down'])).stdout).toContain('Already in sync')
  })

  test('up and down take a number, a name and a timestamp', async () => {
    await app.given(['save', 'users'])
    app.schema(V2)
    await app.given(['save', 'posts'])
    app.schema(V3)
    await app.given(['save', 'bodies'])
    const [users, posts, bodies] = migrations()
    expect((await app.rays(['up', '1', '--y', '--json'])).json<{ data: { target: string } }>().data.target).toBe(users)
    expect((await app.rays(['up', 'posts', '--y', '--json'])).json<{ data: { target: string } }>().data.target).toBe(
      posts,
    )
    expect((await app.rays(['up', '--y', '--json'])).json<{ data: { target: string } }>().data.target).toBe(bodies)
    expect((await history(db)).length).toBe(3)
    const wrong = await app.rays(['up', 'users', '--y'])
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('rays down users')
    await app.rays(['down', users!.slice(0, 14), '--y'])
    expect((await history(db)).map((row) => row.migration_name)).toEqual([users])
    expect(await has('Post')).toBe(false)
    expect((await app.rays(['down', '7', '--y'])).code).toBe(2)
  })

  test('--preview shows everything and changes nothing', async () => {
    await app.given(['save', 'users'])
    const preview = await app.rays(['up', '-p', '--verbose'])
    expect(preview.code).toBe(0)
    expect(preview.stderr).toContain('+ model User {')
    expect(preview.stdout).toMatch(/\| Pending +\| \d{14}_users \|/)
    expect(preview.stdout).toMatch(/Would apply 1 migration/)
    expect(await has('User')).toBe(false)
    expect(await history(db)).toEqual([])
  })

  test('without a terminal up and down name the flag and touch nothing', async () => {
    const save = await app.rays(['save'])
    expect([save.code, save.stderr]).toEqual([2, expect.stringContaining('--name')])
    expect(existsSync(path.join(app.folder, 'prisma/migrations'))).toBe(false)
    await app.given(['save', 'users'])
    const up = await app.rays(['up'])
    expect([up.code, up.stderr]).toEqual([2, expect.stringContaining('--auto-approve')])
    expect(await has('User')).toBe(false)
    await app.rays(['up', '--y'])
    const down = await app.rays(['down'])
    expect([down.code, down.stderr]).toEqual([2, expect.stringContaining('--auto-approve')])
    expect(await has('User')).toBe(true)
  })

  test('rows that a down would lose are counted before it', async () => {
    await app.given(['save', 'users'])
    await app.rays(['up', '--y'])
    await db.query(`INSERT INTO ${table('User')} (email) VALUES ('a'), ('b')`)
    const preview = await app.rays(['down', '--preview'])
    expect(preview.stderr).toContain('not empty (2 rows)')
    const refused = await app.rays(['down', '--y', '--fail-on-destructive'])
    expect(refused.code).toBe(1)
    expect(await has('User')).toBe(true)
    expect((await app.rays(['down', '--y'])).code).toBe(0)
    expect(await has('User')).toBe(false)
  })
})
