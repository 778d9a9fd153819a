/** Projects that nobody may write to: images of containers, read-only volumes. What the database did is done. */
import path from 'node:path'
import { describeDatabases } from '../support/databases.js'
import { mount, noMount } from '../support/mounts.js'
import { type Workspace, workspace } from '../support/workspace.js'

const user = (...fields: string[]) => `model User {\n  id Int @id\n${fields.map((field) => `  ${field}\n`).join('')}}\n`
const shut = noMount === undefined ? test : test.skip

describeDatabases('a project on a read-only file system', (on) => {
  let ws: Workspace
  let open: (() => void)[]
  const schema = () => ws.read('prisma/schema.prisma')
  /** Everything below prisma/ can be read only, also by root. SQLite's database lies elsewhere in the project. */
  const close = () => {
    const folder = path.join(ws.project.folder, 'prisma')
    for (const args of [
      ['--bind', folder],
      ['-o', 'remount,ro,bind'],
    ]) {
      const undo = mount(args, folder)
      if (undo === undefined) throw new Error(`mount ${args.join(' ')} failed`)
      if (args[0] === '--bind') open.push(undo)
    }
  }

  beforeEach(async () => {
    open = []
    ws = await workspace(on, { schema: user() })
    await ws.ok('makemigration --name one --no-verify')
    for (const [name, ...fields] of [
      ['two', 'a Int?'],
      ['three', 'a Int?', 'b Int?'],
    ] as const) {
      ws.project.schema(user(...fields))
      await ws.ok(`makemigration --name ${name} --no-verify`)
    }
    await ws.ok('migrate --no-generate')
  })
  afterEach(async () => {
    for (const undo of open) undo()
    await ws.drop()
  })

  shut('going down is done, told as done, and names what was not written', async () => {
    const before = schema()
    close()
    const { stderr } = await ws.ok('migrate --name -1 --y --no-generate')
    expect(await ws.applied()).toEqual(['one', 'two'])
    expect(stderr).toMatch(
      new RegExp(
        `Warning: The database is done, but the schema file .*schema\\.prisma could not be written: .*EROFS.*rays migrate --name ${ws.folder('two')}`,
      ),
    )
    expect(stderr).not.toMatch(/run the command again/i)
    const { data, ok, warnings } = (await ws.ok('down --y --json')).json<{
      ok: boolean
      warnings: string[]
      data: { schemaFile: { state: string; reason: string } }
    }>()
    expect(ok).toBe(true)
    expect(warnings).toEqual(expect.arrayContaining([expect.stringContaining('could not be written')]))
    expect(data.schemaFile).toMatchObject({ state: 'left', reason: expect.stringContaining('EROFS') })
    expect(await ws.applied()).toEqual(['one'])
    expect(schema()).toBe(before)

    // What the warning says makes up for it, and leaves the database alone.
    for (const undo of open.splice(0)) undo()
    await ws.ok(`migrate --name ${ws.folder('one')} --no-generate`)
    expect(schema()).not.toMatch(/ a +Int/)
    expect(await ws.applied()).toEqual(['one'])
  })

  shut('so are redo and rollback', async () => {
    close()
    await ws.ok('redo --y --no-generate')
    expect(await ws.applied()).toEqual(['one', 'two', 'three'])
    await ws.ok('rollback --y --no-generate')
    // The batch of its own that redo has made.
    expect(await ws.applied()).toEqual(['one', 'two'])
  })

  shut('what can only be done with files is refused before the database is changed', async () => {
    ws.project.schema(user('a Int?', 'b Int?', 'c Int?'))
    await ws.ok('draft --y --no-generate')
    await ws.sql('INSERT INTO "User" (id, c) VALUES (1, 2)')
    close()
    for (const line of ['draft --undo --y', 'makemigration --name four --no-verify', 'save --name four --no-verify']) {
      const { stderr } = await ws.fails(2, line)
      expect(stderr).toMatch(/cannot be written \(EROFS\), so nothing was changed/)
    }
    expect(await ws.sql('SELECT c FROM "User"')).toEqual([{ c: 2 }])
    for (const undo of open.splice(0)) undo()
    await ws.ok('draft --undo --y')
    expect(await ws.sql('SELECT * FROM "User"')).toEqual([{ id: 1, a: null, b: null }])
  })
})
