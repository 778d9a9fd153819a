/** What no command may open, although it is configured. */
import { ConfigError } from '../errors.js'
import type { Config } from './config.js'
import { isPrismaAddress } from './prisma-postgres.js'

/** @throws {ConfigError} where the configured database is not one that can be migrated, or not surely the one that is meant */
export function refuseUnfitUrl({ databaseUrl, origins, refusal }: Config): void {
  if (refusal !== undefined) {
    throw new ConfigError(refusal, {
      hint: 'Say which one is meant, with databaseUrl in raysconfig.js or RAYS_DATABASE_URL, or let both say the same. rays config shows what is in force.',
    })
  }
  if (databaseUrl === undefined || !isPrismaAddress(databaseUrl.reveal())) return
  throw new ConfigError(
    `The database URL (${origins.databaseUrl}) is the address of a service of Prisma's, ${databaseUrl.scheme}:, which takes queries and no migrations.`,
    {
      hint: "Take the direct address of the database, postgres://…: Prisma's console shows it with the database's connection strings (for one behind Accelerate it is the address that Accelerate was given). Set it as RAYS_DATABASE_URL, or as databaseUrl in raysconfig.js.",
    },
  )
}
