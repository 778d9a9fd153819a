/**
 * Configuration of rays. Paths are relative to this file.
 * What is left out comes from the environment, .env, prisma.config.ts or the schema; `rays config` prints what is in
 * force and where it came from. Every option: docs/configuration.md
 */
module.exports = {
  // The Prisma schema: a file, or a folder of files.
  schemaPath: 'prisma/schema.prisma',

  // The folder of the migrations, the same that Prisma Migrate uses.
  migrationsDir: 'prisma/migrations',

  // The database. From the environment, so that no password is ever committed.
  databaseUrl: process.env.DATABASE_URL,

  // makemigration tries every migration on shadow databases, which it creates and drops. Where it may not create
  // databases, name an existing empty one on the same server here (SQLite: a file), and a second one as
  // shadowDatabaseUrl in prisma.config.ts or in the schema.
  shadowDatabaseName: null,

  // Show every statement, as --log does.
  verboseLogging: false,
}
