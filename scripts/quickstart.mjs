// The main job on SQLite, in a temporary folder: installs and builds what is missing, then types each command.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ready } from './ready.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
ready(root)

const folder = mkdtempSync(path.join(tmpdir(), 'rays-quickstart-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const schema = (user) => `datasource db {
  provider = "sqlite"
  url      = env("DATABASE_URL")
}

model User {
${user}
}
`
const write = (name, text) => {
  mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
  writeFileSync(path.join(folder, name), text)
}
const title = (text) => console.log(`\n── ${text}`)
const env = { ...process.env, DATABASE_URL: 'file:./dev.db' }

function rays(...args) {
  console.log(`\n$ npx rays ${args.map((arg) => (/^[\w./=-]+$/.test(arg) ? arg : `'${arg}'`)).join(' ')}`)
  const run = spawnSync(process.execPath, [path.join(root, 'bin', 'rays.js'), ...args], {
    cwd: folder,
    env,
    stdio: 'inherit',
  })
  if (run.status !== 0) {
    console.error(`\nThe command ended with exit code ${run.status}.`)
    process.exit(1)
  }
}

function rows(sql) {
  const require = createRequire(path.join(root, 'package.json'))
  const database = new (require('better-sqlite3'))(path.join(folder, 'prisma', 'dev.db'))
  try {
    return sql.trimStart().toUpperCase().startsWith('SELECT') ? database.prepare(sql).all() : database.exec(sql)
  } finally {
    database.close()
  }
}

write('package.json', '{ "name": "quickstart", "private": true }\n')
write('prisma/schema.prisma', schema('  id    Int    @id @default(autoincrement())\n  email String @unique'))
if (existsSync(path.join(root, 'node_modules')))
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'), 'dir')

title('A project with a Prisma schema: one model, User, with an email')
rays('init')

title('The first migration, and the database')
rays('makemigration', '--name', 'init')
rays('migrate', '--create-db')

title('Two users are in the table')
rows(`INSERT INTO "User" (email) VALUES ('ada@example.com'), ('alan@example.com')`)
console.table(rows('SELECT * FROM "User"'))

title('The schema gets a required column with a default, and an index')
write(
  'prisma/schema.prisma',
  schema(
    '  id       Int    @id @default(autoincrement())\n  email    String @unique\n  lastname String @default("Doe")\n\n  @@index([lastname])',
  ),
)
rays('makemigration', '--name', 'add lastname')
rays('migrate')
console.table(rows('SELECT * FROM "User"'))

title('Back by one migration: the users are still there')
rays('migrate', '--name', '-1', '--y')
console.table(rows('SELECT * FROM "User"'))

title('And forward again')
rays('migrate')
rays('status')
console.table(rows('SELECT * FROM "User"'))

const migrations = path.join(folder, 'prisma', 'migrations')
title('What is in the migrations folder')
for (const entry of readdirSync(migrations, { recursive: true }).sort()) console.log(`  prisma/migrations/${entry}`)
console.log(
  '\nDone. In a project of your own: npm install prisma-rays, npx rays init, npx rays makemigration --name init.',
)
