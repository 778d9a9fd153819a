import type { Provider, StatementSyntax } from '../../../engines/engine.js'

const plain = {
  doubleQuotedStrings: false,
  backslashEscapes: false,
  dollarQuotes: false,
  backticks: false,
  brackets: false,
  nestedComments: false,
  hashComments: false,
  dashNeedsSpace: false,
  placeholder: () => '?',
}

/** The lexical rules of the three databases with their default settings. */
export const syntaxes: Record<Provider, StatementSyntax> = {
  postgresql: {
    ...plain,
    dialect: 'postgresql',
    dollarQuotes: true,
    nestedComments: true,
    foldsNames: true,
    compound: 'atomic',
    placeholder: (n) => `$${n}`,
  },
  sqlite: { ...plain, dialect: 'sqlite', backticks: true, brackets: true, compound: 'trigger' },
  mysql: {
    ...plain,
    dialect: 'mysql',
    doubleQuotedStrings: true,
    backslashEscapes: true,
    backticks: true,
    hashComments: true,
    dashNeedsSpace: true,
    compound: 'stored-program',
  },
}
