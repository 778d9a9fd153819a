/** How SQLite reads a statement. */
import type { StatementSyntax } from '../engine.js'

export const syntax: StatementSyntax = {
  dialect: 'sqlite',
  doubleQuotedStrings: false,
  backslashEscapes: false,
  dollarQuotes: false,
  backticks: true,
  brackets: true,
  nestedComments: false,
  hashComments: false,
  dashNeedsSpace: false,
  compound: 'trigger',
  placeholder: () => '?',
}
