import { selectEnvironment, urlFromParts } from '../../../src/config/environment.js'

describe('environments of a configuration', () => {
  const raw = { generate: false, environments: { development: { lockTimeout: 1 }, production: { generate: true } } }

  test('the one that is asked for comes before what all share', () => {
    expect(selectEnvironment(raw, 'production', {}, [])).toEqual({ name: 'production', values: { generate: true } })
  })

  test('NODE_ENV selects, else development; an unknown NODE_ENV changes nothing', () => {
    expect(selectEnvironment(raw, undefined, { NODE_ENV: 'production' }, []).name).toBe('production')
    expect(selectEnvironment(raw, undefined, { NODE_ENV: 'test' }, [])).toEqual({
      name: 'development',
      values: { generate: false, lockTimeout: 1 },
    })
  })

  test('one that is not there is a problem that names those that are', () => {
    const problems: string[] = []
    selectEnvironment(raw, 'staging', {}, problems)
    expect(problems).toEqual(['there is no environment staging; the configuration has development, production'])
  })

  test('without environments a name is a name only', () => {
    expect(selectEnvironment({ generate: false }, 'production', {}, [])).toEqual({
      name: 'production',
      values: { generate: false },
    })
  })

  test.each([[[]], ['production'], [{ production: 1 }]])('%j are no environments', (environments) => {
    const problems: string[] = []
    selectEnvironment({ environments }, undefined, {}, problems)
    expect(problems).toHaveLength(1)
  })
})

describe('a database URL in parts', () => {
  const parts = { SUPABASE_DB_HOST: 'db.example.com', SUPABASE_DB_NAME: 'app', SUPABASE_DB_PASSWORD: 'p@ss/w:rd' }

  test('is put together with everything encoded', () => {
    expect(urlFromParts(parts, 'postgresql')).toEqual({
      value: 'postgresql://postgres:p%40ss%2Fw%3Ard@db.example.com:5432/app',
      origin: 'SUPABASE_DB_HOST',
    })
  })

  test('takes its kind from the schema where the name of the variables does not tell', () => {
    const env = { DB_HOST: 'h', DB_NAME: 'n', DB_USER: 'u', DB_PORT: '3307' }
    expect(urlFromParts(env, 'mysql')?.value).toBe('mysql://u@h:3307/n')
    expect(urlFromParts(env, undefined)).toBeUndefined()
  })

  test('is none without host and name, for SQLite, or for another kind of database', () => {
    expect(urlFromParts({ DB_HOST: 'h' }, 'mysql')).toBeUndefined()
    expect(urlFromParts({ DB_HOST: 'h', DB_NAME: 'n' }, 'sqlite')).toBeUndefined()
    expect(urlFromParts(parts, 'mysql')).toBeUndefined()
  })
})
