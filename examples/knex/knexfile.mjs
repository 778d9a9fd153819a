import { existsSync } from 'node:fs'
import { knexFilePrismaAdapter } from 'prisma-rays/knex'

if (existsSync('.env')) process.loadEnvFile('.env')

// Without a connection it is the database that rays uses: DATABASE_URL, or SUPABASE_DB_HOST, SUPABASE_DB_PORT,
// SUPABASE_DB_NAME, SUPABASE_DB_USER and SUPABASE_DB_PASSWORD.
const shared = { client: process.env.DB_CLIENT ?? 'pg', migrations: { directory: './migrations' } }

export default knexFilePrismaAdapter({
  development: shared,
  staging: shared,
  production: { ...shared, pool: { min: 1, max: 2 } },
})
