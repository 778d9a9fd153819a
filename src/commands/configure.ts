/** The configuration of a project, with the database that its schema names. */
import { type Config, type LoadConfigOptions, loadConfig } from '../config/config.js'
import { RaysError } from '../errors.js'
import { datasourceOf, readSchema } from '../schema/prisma-schema.js'

/** @throws {ConfigError} listing all problems */
export function configure(options: Omit<LoadConfigOptions, 'readDatasource'>): Promise<Config> {
  return loadConfig({
    ...options,
    readDatasource: async (schemaPath) => {
      try {
        const { url, directUrl, shadowDatabaseUrl, provider } = datasourceOf((await readSchema(schemaPath)).files)
        return {
          provider,
          ...(url && { url }),
          ...(directUrl && { directUrl }),
          ...(shadowDatabaseUrl && { shadowDatabaseUrl }),
        }
      } catch (error) {
        // Whoever needs the schema says what is wrong with it.
        if (error instanceof RaysError) return undefined
        throw error
      }
    },
  })
}
