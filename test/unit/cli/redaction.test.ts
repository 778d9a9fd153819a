import { inspect } from 'node:util'
import { DatabaseUrl, redact, redactOwn, redactUrl } from '../../../engines/url.js'

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
  const { secrets } = new DatabaseUrl('postgresql://u:p%40ss%2Fword@h/d?sslpassword=oth3r-pass', '/')

  test.each([
    ['as it is written', 'p%40ss%2Fword'],
    ['decoded', 'p@ss/word'],
    ['another parameter', 'oth3r-pass'],
    ['as JSON has it', JSON.stringify('p@ss/word').slice(1, -1)],
  ])('every spelling of a known password: %s', (_, spelling) => {
    expect(secrets).toContain(spelling)
    expect(redact(`it said "${spelling}".`, secrets)).toBe('it said "***".')
  })

  test('a password with signs that mean something in patterns', () => {
    for (const password of ['a.b*c?', '(xyz', '[abc', '\\d\\w', '$&$&', '^*+.', '|a||', '{2}{3}']) {
      expect(redact(`<${password}>`, [password])).toBe('<***>')
    }
  })

  test('URLs that nobody knew of, also several in one text', () => {
    const text = 'from mysql://a:hunter2@h/d to postgres://b:hunter3@h/d?password=hunter4 and back'
    expect(redact(text)).toBe('from mysql://a:***@h/d to postgres://b:***@h/d?password=*** and back')
  })

  test.each(['rays', 'test', 'app', 'a', '1', '12345', 'postgres', 'my-app', 'rays_test', 'pg15', '/', '-', 'Müller'])(
    'a password that is an ordinary word is hidden where it stands as one, and nowhere else: %s',
    (word) => {
      const text = `run ${word} status on ${word}, user "${word}", 127.0.0.1/${word}: ${word}`
      expect(redact(text, new DatabaseUrl(`mysql://u:${word}@h/d`, '/').secrets)).toBe(text)
      const told = `mysql://u:${word}@h/d?password=${word} CREATE USER x IDENTIFIED BY '${word}'; ALTER ROLE x PASSWORD '${word}'`
      expect(redact(told, [word])).toBe(
        "mysql://u:***@h/d?password=*** CREATE USER x IDENTIFIED BY '***'; ALTER ROLE x PASSWORD '***'",
      )
    },
  )

  test('a password that is no ordinary word is hidden in other programs\u2019 text; in rays\u2019 own only one that is nothing else', () => {
    expect(redact('it said hunter2, not hunter22', ['hunter2'])).toBe('it said ***, not hunter22')
    expect(redactOwn('rays migrate --name add_hunter2', ['hunter2'])).toBe('rays migrate --name add_hunter2')
    expect(redactOwn('it said xp@ss/w:rdx', ['p@ss/w:rd'])).toBe('it said x***x')
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
