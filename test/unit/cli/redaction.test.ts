import { inspect } from 'node:util'
import { DatabaseUrl, redact, redactUrl } from '../../../engines/url.js'

describe('a URL is shown without its password', () => {
  test.each<[string, string, string]>([
    ['plain', 'postgresql://u:hunter2@h:5432/d', 'postgresql://u:***@h:5432/d'],
    ['without a user', 'redis://:hunter2@h/d', 'redis://:***@h/d'],
    ['percent-encoded', 'mysql://u:hun%40ter2@h/d', 'mysql://u:***@h/d'],
    ['an unencoded @', 'mysql://u:hunter2@hunter2@h/d', 'mysql://u:***@h/d'],
    ['an unencoded :', 'mysql://u:hunter2:hunter2@h/d', 'mysql://u:***@h/d'],
    ['an unencoded /', 'mysql://u:hunter2/hunter2@h/d', 'mysql://u:***@h/d'],
    ['an unencoded #', 'mysql://u:hunter2#hunter2@h/d', 'mysql://u:***@h/d'],
    ['an unencoded ?', 'mysql://u:hunter2?hunter2@h/d', 'mysql://u:***@h/d'],
    ['an unencoded @ and ?', 'mysql://u:hunter2@x?hunter2@h/d', 'mysql://u:***@h/d'],
    ['white space and quotes', 'mysql://u:hunter2 "hunter2\'@h/d', 'mysql://u:***@h/d'],
    ['a line end', 'mysql://u:hunter2\nhunter2@h/d', 'mysql://u:***@h/d'],
    [
      'password as a parameter',
      'postgresql://h/d?user=u&password=hunter2&x=1',
      'postgresql://h/d?user=u&password=***&x=1',
    ],
    ['other secrets as parameters', 'mysql://h/d?sslpassword=hunter2', 'mysql://h/d?sslpassword=***'],
    ['an API key', 'prisma://h/?api_key=hunter2', 'prisma://h/?api_key=***'],
    ['parameters with an @', 'mysql://u:hunter2@h/d?x=a@b', 'mysql://u:***@h/d?x=a@b'],
    ['the scheme forgotten', 'u:hunter2@h/d', 'u:***@h/d'],
    ['the slashes forgotten', 'postgresql:u:hunter2@h/d', 'postgresql:***@h/d'],
    ['letters of other scripts', 'mysql://ü:hunter2é@h/d', 'mysql://ü:***@h/d'],
  ])('%s', (_, href, shown) => {
    expect(redactUrl(href)).toBe(shown)
    const url = new DatabaseUrl(href, '/base')
    for (const text of [String(url), `${url}`, url.toString(), JSON.parse(JSON.stringify(url)), inspect(url)]) {
      expect(text).toBe(shown)
    }
    for (const text of [
      JSON.stringify({ url }),
      inspect({ url }, { showHidden: true, depth: 9 }),
      JSON.stringify({ ...url }),
    ]) {
      expect(text).not.toContain('hunter2')
    }
    expect(url.reveal()).toBe(href)
  })

  test.each([
    'postgresql://h:5432/d',
    'postgresql://user@h/d?schema=public',
    'file:./dev.db',
    'file:./a:b@c.db',
    'file:///srv/app.db?mode=ro',
    'postgresql://[::1]:5432/d',
    '',
  ])('one without a password is shown as it is: %j', (href) => {
    expect(redactUrl(href)).toBe(href)
    expect(new DatabaseUrl(href, '/').secrets).toEqual([])
  })

  test('the scheme is told in lower case', () => {
    expect(new DatabaseUrl('PostgreSQL://h/d', '/').scheme).toBe('postgresql')
    expect(new DatabaseUrl('nothing', '/').scheme).toBe('')
  })
})

describe('other text is shown without passwords', () => {
  const { secrets } = new DatabaseUrl('postgresql://u:p%40ss%2Fword@h/d?sslpassword=other', '/')

  test.each([
    ['as it is written', 'p%40ss%2Fword'],
    ['decoded', 'p@ss/word'],
    ['another parameter', 'other'],
  ])('every spelling of a known password: %s', (_, spelling) => {
    expect(secrets).toContain(spelling)
    expect(redact(`it said "${spelling}".`, secrets)).toBe('it said "***".')
  })

  test('a password with signs that mean something in patterns', () => {
    for (const password of ['a.b', '(x', '[', '\\', '$&', '^*+', '|', '{2}']) {
      expect(redact(`<${password}>`, [password])).toBe('<***>')
    }
  })

  test('URLs that nobody knew of, also several in one text', () => {
    const text = 'from mysql://a:hunter2@h/d to postgres://b:hunter3@h/d?password=hunter4 and back'
    expect(redact(text)).toBe('from mysql://a:***@h/d to postgres://b:***@h/d?password=*** and back')
  })

  test('a password that is part of longer words does not make them unreadable', () => {
    expect(redact('postgresql 127.0.0.1:5432/app', ['postgres', '1', 'a'])).toBe('postgresql 127.0.0.***:5432/app')
  })

  test('an empty password hides nothing', () => {
    expect(new DatabaseUrl('mysql://root:@h/d', '/').secrets).toEqual([])
    expect(redact('abc', [''])).toBe('abc')
  })

  test('long texts are no difficulty', () => {
    const text = `${'a'.repeat(200_000)}://${'b:'.repeat(100_000)}`
    const started = performance.now()
    redact(text, ['secret'])
    redactUrl(text)
    expect(performance.now() - started).toBeLessThan(2000)
  })
})
