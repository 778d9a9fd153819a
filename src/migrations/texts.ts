/** The texts of a migration: read as UTF-8, and split into statements, or refused before anything runs. */
import { readFileSync } from 'node:fs'
import type { StatementSyntax } from '../../engines/engine.js'
import { ScriptError, type Statement, splitStatements } from '../../engines/sql/scanner.js'
import { MigrationInvalidError } from '../errors.js'
import { decodeUtf8, NotUtf8Error } from '../utf8.js'

/** @throws {MigrationInvalidError} for bytes that are not UTF-8; what the file system throws */
export function readText(file: string): string {
  try {
    return decodeUtf8(readFileSync(file), file)
  } catch (error) {
    if (!(error instanceof NotUtf8Error)) throw error
    throw new MigrationInvalidError(error.message, { cause: error, hint: error.hint })
  }
}

/** The statements of a file's text. @throws {MigrationInvalidError} for what cannot be split into statements */
export function statementsIn(file: string, text: string, syntax: StatementSyntax): Statement[] {
  try {
    return splitStatements(text, syntax)
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error
    throw new MigrationInvalidError(`${file} cannot be read: ${error.message}`, {
      cause: error,
      hint: 'Correct the file; nothing was run.',
    })
  }
}
