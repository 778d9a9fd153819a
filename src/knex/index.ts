/** `prisma-rays/knex`: the project's Prisma and rays migrations for Knex's own migration engine. */
export { type AdapterOptions, type Knexfile, knexFilePrismaAdapter } from './adapter.js'
