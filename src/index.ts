/** The public API: the types that migrations and configurations are written against. */
export type { Client, Row } from '../engines/engine.js'
export {
  ConfigError,
  DecisionError,
  FailedError,
  InterruptedError,
  LockError,
  MigrationInvalidError,
  RaysError,
  SchemaInvalidError,
  UsageError,
} from './errors.js'
export type { Operation, OperationFunction } from './migrations/migration.js'
