import { knexFilePrismaAdapter } from 'prisma-rays/knex'

// Without a connection it is the database that rays uses in that environment: DATABASE_URL, or SUPABASE_DB_HOST,
// SUPABASE_DB_PORT, SUPABASE_DB_NAME, SUPABASE_DB_USER and SUPABASE_DB_PASSWORD, from .env files, too.
const shared = { client: process.env.DB_CLIENT ?? 'pg', migrations: { directory: './migrations' } }

export default knexFilePrismaAdapter({
  development: shared,
  staging: shared,
  production: { ...shared, pool: { min: 1, max: 2 } },
})
