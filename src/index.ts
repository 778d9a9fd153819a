/** The public API: rays as a library, and the types that migrations and configurations are written against. */
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
export { createRays, type Rays, type RaysConfig, type RaysOptions } from './rays.js'
