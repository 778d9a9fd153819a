/**
 * Text that rays did not write: a driver's, a program's, a name or a value of a database. It may hold what moves a cursor,
 * begins a line, or tells a CI what to do; and a password. Pure.
 */
import { knownSecrets, redact } from './url.js'

/**
 * C0, DEL and C1, what turns the direction of writing, what separates lines and paragraphs, and the byte order mark: none
 * of them is seen, and each of them changes what is seen.
 */
const UNSEEN = '\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff'
const CONTROLS = new RegExp(`[${UNSEEN}]`, 'g')
const CONTROLS_AND_LINES = new RegExp(`[${UNSEEN}\\n\\t]`, 'g')
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(character: string): string {
  const code = character.charCodeAt(0)
  const hex = code.toString(16)
  return NAMED[character] ?? (code < 256 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`)
}

/** With every control character shown (`\x1b`, `\u202e`) but line feed and tab. */
export function visible(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(CONTROLS, escaped)
}

/** On one line, with every control character shown (`\n`, `\x1b`). */
export function oneLine(text: string): string {
  return text.replace(CONTROLS_AND_LINES, escaped)
}

/** A driver's or a server's words, for a message: on one line, without the passwords of this process. */
export function quoted(text: string): string {
  return oneLine(redact(text, knownSecrets()))
}

/** The same in a JSON text, as JSON escapes it. */
export function visibleJson(json: string): string {
  return json
    .replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace(MARKS, '#\\u0023')
}

/** `##[error]` and `##vso[...]` are commands to CI systems wherever they stand in a line. */
const MARKS = /##(?=\[|vso\[|teamcity\[)/g
/** `::error::` is one at the beginning of a line. */
const WORKFLOW = /^([^\S\n]*):(?=:[^\n]*?::)/gm

/** Without what a CI system takes for a command to itself: the sign that makes it one is shown as `\x23` or `\x3a`. */
export function withoutCommands(text: string): string {
  return text.replace(MARKS, '#\\x23').replace(WORKFLOW, '$1\\x3a')
}
