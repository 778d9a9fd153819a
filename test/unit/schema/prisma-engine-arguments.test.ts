import { parseArguments } from '../../../src/prisma-engine/arguments.js'

describe("the command line of Prisma's schema engine is understood", () => {
  test.each([
    [
      'Prisma 7, JSON-RPC',
      [
        '--datamodels',
        'a.prisma',
        '--datamodels',
        'b.prisma',
        '--datasource',
        '{"url":"file:x","shadowDatabaseUrl":"file:y"}',
      ],
      { mode: 'rpc', command: undefined, datamodels: ['a.prisma', 'b.prisma'], url: 'file:x', shadowUrl: 'file:y' },
    ],
    [
      'Prisma 7, a command',
      ['--datasource', '{"url":"postgres://h/d"}', 'cli', 'can-connect-to-database'],
      {
        mode: 'command',
        command: 'can-connect-to-database',
        datamodels: [],
        url: 'postgres://h/d',
        shadowUrl: undefined,
      },
    ],
    [
      'Prisma 6, a command',
      ['cli', '--datasource', 'file:./dev.db', 'create-database'],
      { mode: 'command', command: 'create-database', datamodels: [], url: 'file:./dev.db', shadowUrl: undefined },
    ],
    [
      'flags that concern only the native engine',
      ['--extension-types', '{"types":[]}', '--enabled-preview-features', 'cli,views', '--datamodels=a.prisma'],
      { mode: 'rpc', command: undefined, datamodels: ['a.prisma'], url: undefined, shadowUrl: undefined },
    ],
    [
      'the version',
      ['--version'],
      { mode: 'version', command: undefined, datamodels: [], url: undefined, shadowUrl: undefined },
    ],
  ])('%s', (_, argv, expected) => {
    expect(parseArguments(argv)).toEqual(expected)
  })
})
